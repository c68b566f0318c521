"""What a leaderboard trains: one job for each model, dataset and seed."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from recbole_idp import registry
from recbole_idp.config.checks import known_key
from recbole_idp.config.declarations import model_settings
from recbole_idp.config.layers import Layer
from recbole_idp.config.resolve import DEFAULT_DATASET, DEFAULT_MODEL, option_layers, resolve
from recbole_idp.data.catalog import available, locate
from recbole_idp.data.keys import joined_sources, joined_with
from recbole_idp.errors import UserError
from recbole_idp.leaderboard.encoders import encoder_rows
from recbole_idp.leaderboard.job import DataContent, Job, job_fingerprint
from recbole_idp.leaderboard.keys import BoardSettings
from recbole_idp.leaderboard.sweep import Point, sweep_rows
from recbole_idp.run.keys import AUTO

BOARD_KEYS = tuple(BoardSettings.model_fields)
"""Keys of the leaderboard itself."""

# A leaderboard gives each job its part of the machine, and asks only for the variant that a model is used by.
_NOT_FOR_JOBS = (
    *BOARD_KEYS,
    "model",
    "dataset",
    "seeds",
    "variants",
    "config_files",
    "result_dir",
    "threads",
    "engine",
    "show_progress",
    "keep_trained",
    "trained_dir",
    "tune_trial",
)

# Rows of one board are measured alike.
SAME_FOR_ALL = (
    "protocol",
    "latest_events",
    "metrics",
    "topk",
    "valid_metric",
    "eval_args",
    "benchmark_filename",
    "popularity_buckets",
    "history_buckets",
    "joined_history_buckets",
)


@dataclass(frozen=True)
class Plan:
    """A leaderboard before any job is run.

    Attributes:
        rows: Names of the rows, and the model of each.
        datasets: Names of the datasets.
        seeds: The seeds.
        options: All options that are passed on to jobs.
        values: Every key's value for the first model; the keys of the leaderboard are among them.
        points: The place of rows in a sweep; empty where there is none.
        content: The content of the data, by which jobs are known.
    """

    rows: dict[str, str]
    datasets: list[str]
    seeds: list[int]
    options: dict[str, Any]
    values: dict[str, Any]
    points: dict[str, Point] = field(default_factory=dict)
    content: DataContent = field(default_factory=DataContent)

    @property
    def metric(self) -> str:
        """The metric that models are compared and tuned by."""
        return self.values["valid_metric"]

    def job(self, row: str, dataset: str, seed: int, **chosen: Any) -> Job:
        """Make a job.

        Args:
            row: The row's name.
            dataset: The dataset's name.
            seed: The seed.
            **chosen: Values that tuning has chosen; they override the options.

        Returns:
            The job.

        Raises:
            UserError: A key or value is wrong for this model.
        """
        model = self.rows[row]
        options = {key: value for key, value in self.options.items() if key in model_settings(model, dataset)}
        if not registry.joins(model) and joined_with(dataset, self.values["shared_users"]):
            # Other models of the board may join users; this one reads the target alone.
            options["shared_users"] = _text(joined_sources(dataset, self.values["shared_users"]))
        own = self.values["model_options"].get(row, {})
        options.update({key: _text(value) for key, value in own.items() if key != "model"})
        options.update({key: _text(value) for key, value in chosen.items()})
        transfer = _transfer(model, options, dataset)
        if "variants" not in own and transfer in model_settings(model, dataset)["variants"].words:
            options["variants"] = transfer
        values = resolve(option_layers({**options, "model": model, "dataset": dataset, "seeds": str(seed)})).values
        if values["compare_join"] and "compare_join" not in options and joined_with(dataset, values["shared_users"]):
            # A board compares rows; what the join brings to one of them is trained where it is asked for.
            options["compare_join"], values["compare_join"] = "false", False
        transfers = not registry.starts_alone(model, values.get("transfer"))
        known_by = job_fingerprint(values, transfers, self.content)
        return Job(row, model, dataset, seed, options, values, transfers, known_by)

    def jobs(self) -> list[Job]:
        """Make a job for every combination, ordered by dataset, then row, then seed."""
        return [self.job(r, d, s) for d in self.datasets for r in self.rows for s in self.seeds]


def is_leaderboard(options: Mapping[str, str | bool]) -> bool:
    """Return whether options of the command line ask for several jobs, or name a key of the leaderboard."""
    several = any("," in str(options.get(key, "")) for key in ("model", "dataset"))
    return several or any(key in options for key in BOARD_KEYS)


def make_plan(options: Mapping[str, str | bool]) -> Plan:
    """Read the options of a leaderboard.

    Args:
        options: Options of the command line, as ``parse_arguments`` returns them.

    Returns:
        The plan.

    Raises:
        UserError: A name, key or value is wrong.
    """
    names = _names("model", options.get("model", DEFAULT_MODEL))
    datasets = _names("dataset", options.get("dataset", DEFAULT_DATASET))
    layers = option_layers(
        {key: value for key, value in options.items() if key not in ("model", "dataset", "variants")}
    )
    own_options = _given(layers, "model_options")
    rows = {name: _model_of(name, own_options) for name in names}
    models = list(dict.fromkeys(rows.values()))
    _check_known(layers, models, datasets)
    # The leaderboard's own keys are the same for every model.
    first = next((model for model in models if registry.joins(model)), models[0])
    kept = [Layer(layer.origin, _known_part(layer.values, first, datasets[0])) for layer in layers]
    values = resolve(kept, first, datasets[0]).values
    if values["text_encoders"]:
        given_transfer = next(
            (layer.values["transfer"] for layer in reversed(layers) if "transfer" in layer.values), None
        )
        _check_own_options(rows, own_options)
        own_options = encoder_rows(rows, own_options, values["text_encoders"], datasets[0], given_transfer)
        rows = {row: options["model"] for row, options in own_options.items()}
        values["model_options"] = own_options
    points: dict[str, Point] = {}
    if values["sweep"] is not None:
        _check_own_options(rows, own_options)
        own_options, points = sweep_rows(rows, own_options, values["sweep"], datasets[0])
        rows = {row: options["model"] for row, options in own_options.items()}
        values["model_options"] = own_options
    if values["baseline"] is not None and values["baseline"] not in rows:
        raise UserError(f"baseline {values['baseline']} is none of the models {', '.join(rows)}: name one of them")
    _check_own_options(rows, values["model_options"])
    given = {key: value for layer in layers for key, value in layer.values.items()}
    own = {row: {**given, **values["model_options"].get(row, {})} for row in rows}
    transfer = any(not registry.starts_alone(m, _transfer(m, own[row], datasets[0])) for row, m in rows.items())
    sources = values["source_domains"] if transfer and not values["pretrained"] else []
    known = {row.name for row in available(values["data_path"])}
    for name in {*datasets, *sources} - known:
        # Refused here, before anything that is known has been downloaded.
        locate(name, values["data_path"])
    seeds = values["seeds"] or [values["seed"]]
    handed_on = {key: value for layer in layers for key, value in layer.values.items() if key not in _NOT_FOR_JOBS}
    return Plan(rows, datasets, seeds, {key: _text(value) for key, value in handed_on.items()}, values, points)


def _given(layers: Sequence[Layer], key: str) -> Any:
    """Return the value of one key of the leaderboard: the last that is given."""
    given = [Layer(layer.origin, {k: v for k, v in layer.values.items() if k == key}) for layer in layers]
    return resolve(given, DEFAULT_MODEL, DEFAULT_DATASET).values[key]


def _check_own_options(rows: Mapping[str, str], own_options: Mapping[str, Any]) -> None:
    """Check the options that rows have of their own."""
    for row, given in own_options.items():
        if row not in rows or not isinstance(given, dict):
            raise UserError(f"model_options has {row}: {given}: write {{MODEL: {{key: value}}}}, MODEL on the board")
        if same := [key for key in SAME_FOR_ALL if key in given]:
            raise UserError(f"model_options has {same[0]} of {row}: a board measures all alike, give --{same[0]}")
        if given.get("variants", AUTO) not in (AUTO, [AUTO]):
            raise UserError(f"model_options has several variants of {row}, and a row is one: give transfer, or {AUTO}")


def _model_of(row: str, own_options: Mapping[str, Any]) -> str:
    """Return the model of a row: the one that its own options name, or else the one of its name.

    Raises:
        UserError: There is no such model, or the row has the name of another one.
    """
    own = own_options.get(row)
    named = own.get("model") if isinstance(own, dict) else None
    if named is None:
        registry.check_model(row)
        return row
    registry.check_model(named)
    if row != named and registry.is_model(row):
        raise UserError(f"model_options gives {row} the model {named}, and {row} is a model: give the row another name")
    return named


def _transfer(model: str, options: Mapping[str, Any], dataset: str) -> str | None:
    """Return the value of ``transfer`` of a model with these options; None: it has no such key."""
    settings = model_settings(model, dataset)
    return options.get("transfer") or settings["transfer"].default if "transfer" in settings else None


def _names(key: str, value: str | bool) -> list[str]:
    names = [name.strip() for name in str(value).strip("[]").split(",")]
    if not all(names) or value is True:
        raise UserError(f"--{key}={value} has an empty name: write --{key}=A,B")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UserError(f"--{key} names {', '.join(twice)} twice: name each once")
    return names


def _check_known(layers: Sequence[Layer], models: Sequence[str], datasets: Sequence[str]) -> None:
    """Refuse keys that belong to none of the models."""
    known = dict.fromkeys(key for model in models for key in model_settings(model, datasets[0]))
    for layer in layers:
        for key in layer.values:
            known_key(key, known, layer)


def _known_part(values: Mapping[str, Any], model: str, dataset: str) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key in model_settings(model, dataset)}


def _text(value: Any) -> str:
    """Return a value as it is written on the command line."""
    return value if isinstance(value, str) else json.dumps(value)
