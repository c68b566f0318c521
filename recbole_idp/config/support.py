"""Which keys of RecBole work, with which models: one table.

A key works, works with some models, or is refused with a reason before training. A value that is the key's default is
never refused: it changes nothing. Keys of RecBole that the table does not name are parameters of single models; they
are known where a YAML file of the model has them.
"""

from __future__ import annotations

import enum
import importlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from recbole_idp import registry
from recbole_idp.config.layers import Layer
from recbole_idp.errors import UserError


class Training(enum.Flag):
    """How a model is trained, on which it depends what is read."""

    REGISTERED = enum.auto()
    """By the plugin's trainers: the plugin's models, and those of other packages."""
    TRIMMED = enum.auto()
    """A model of RecBole, by its fast class on RecBole's batches."""
    LOOP = enum.auto()
    """A model of RecBole, by RecBole's own loop."""
    COUNTING = enum.auto()
    """A model of RecBole that counts and learns nothing. Keys of learning are accepted, as on a board."""
    BATCHES = TRIMMED | LOOP | COUNTING
    """RecBole's batches."""
    EVERY = REGISTERED | BATCHES


class Support(NamedTuple):
    """With which models a key works.

    Attributes:
        training: How they are trained.
        models: The models themselves; None: all of them.
        refusal: Why other models refuse it, and the remedy: the end of "nproc is 2 on the command line, but ...", with
            {model} for the model.
        harmless: Values that are never refused, besides the default.
        parameter: Whether it works with those models alone whose YAML files have it.
        check: Returns the end of such a line for a value that cannot work, given the model and all values.
    """

    training: Training = Training.EVERY
    models: frozenset[str] | None = None
    refusal: str = ""
    harmless: tuple[Any, ...] = ()
    parameter: bool = False
    check: Callable[[str, Any, Mapping[str, Any]], str | None] | None = None

    def works_with(self, model: str, exact: bool, has_default: bool) -> bool:
        """Return whether the key works with a model, for whose training ``exact_recbole`` may be set."""
        trained = bool(training_of(model, exact) & self.training)
        return trained and (self.models is None or model in self.models) and (has_default or not self.parameter)

    def refused_by(self, model: str) -> str:
        """Return why a model refuses the key, and the remedy."""
        return self.refusal.format(model=model)


def training_of(model: str, exact: bool) -> Training:
    """Return how a model is trained.

    Args:
        model: A model's name.
        exact: Whether ``exact_recbole`` is set.
    """
    if model in registry.models():
        return Training.REGISTERED
    if model in registry.GENERAL_MODELS:
        return Training.COUNTING
    return Training.TRIMMED if model in registry.FAST_MODELS and not exact else Training.LOOP


def _only(models: Iterable[str], refusal: str, **more: Any) -> Support:
    """Make the entry of a key that works with some models of RecBole."""
    return Support(Training.BATCHES, frozenset(models), refusal, **more)


def _never(refusal: str, *harmless: Any) -> Support:
    """Make the entry of a key that is always refused."""
    return Support(Training(0), None, refusal, harmless)


def _wandb(model: str, value: Any, values: Mapping[str, Any]) -> str | None:
    """Refuse Weights & Biases where it is not installed, or lacks what it needs itself."""
    if not value:
        return None
    try:
        importlib.import_module("wandb")
    except Exception as error:
        return f"the package wandb cannot be imported ({error}): pip install wandb, or remove it"
    return None


def _learner(model: str, value: Any, values: Mapping[str, Any]) -> str | None:
    """Refuse an optimiser that no model can use."""
    if value == "sparse_adam":
        return "it takes sparse gradients, and no model here has any: choose adam"
    return None


def _loss(model: str, value: Any, values: Mapping[str, Any]) -> str | None:
    """Refuse a loss that one of RecBole's models does not have."""
    if training_of(model, True) is not Training.LOOP:
        return None
    losses = ONE_LOSS.get(model, ("CE", "BPR"))
    return None if value in losses else f"{model} has {' and '.join(losses)} alone: choose {losses[0]}"


def _negatives(model: str, value: Any, values: Mapping[str, Any]) -> str | None:
    """Reject negative samples together with a loss that takes none, and kinds of them that a model cannot read."""
    if not value or value.get("distribution") in (None, "none", "None"):
        return None
    if value["distribution"] not in ("uniform", "popularity"):
        return f"its distribution is uniform or popularity, not {value['distribution']!r}: correct it"
    if unknown := sorted(value.keys() - _NEGATIVE_ARGS.keys()):
        return f"it takes {', '.join(_NEGATIVE_ARGS)}, and not {unknown[0]}: correct it"
    for name, (kinds, least) in _NEGATIVE_ARGS.items():
        part = value.get(name, least)
        if type(part) not in kinds or (least is not None and not part >= least):
            return f"its {name} cannot be {part!r}: correct it"
    return None


def _transform(model: str, value: Any, values: Mapping[str, Any]) -> str | None:
    """Refuse a transformation other than the model's own, which alone it reads."""
    return f"{model} reads {TRANSFORMED[model]} alone: remove it" if value != TRANSFORMED[model] else None


def _columns(model: str, value: Any, values: Mapping[str, Any]) -> str | None:
    """Refuse what is no map from files to lists of columns."""
    for file, columns in (value or {}).items():
        if file not in _FILES:
            return f"{file} is none of the files that are read, which are {', '.join(_FILES)}: correct it"
        if columns != "*" and not (isinstance(columns, list) and columns and all(isinstance(x, str) for x in columns)):
            return f"{file} needs a list of columns such as [user_id, item_id]: correct it"
    return None


def _loaded(model: str, value: Any, values: Mapping[str, Any]) -> str | None:
    """Refuse to read no events."""
    if value and "inter" not in value:
        return "it names no columns of inter, where the events are: add them"
    return _columns(model, value, values)


def _name(model: str, value: Any, values: Mapping[str, Any]) -> str | None:
    """Refuse an empty name of a column, and one that two columns would have."""
    if not value:
        return "a column needs a name: correct it"
    twice = [values.get(key) for key in _NAMES].count(value) > 1
    return f"another of {', '.join(_NAMES)} has this name as well: choose another" if twice else None


def _affix(model: str, value: Any, values: Mapping[str, Any]) -> str | None:
    """Refuse an empty part of a name: two columns would have one name."""
    return None if value else "it must not be empty: correct it"


def _unloaded(model: str, value: Any, values: Mapping[str, Any]) -> str | None:
    """Refuse to leave out columns where ``load_col`` says which ones are read."""
    if value and values.get("load_col"):
        return "load_col says which columns are read: name the wanted ones there, or give --load_col=~ as well"
    return _columns(model, value, values)


def _unused(model: str, value: Any, values: Mapping[str, Any]) -> str | None:
    """Refuse to remove the columns of an event."""
    if (wrong := _columns(model, value, values)) is not None:
        return wrong
    loaded = values.get("load_col") or dict.fromkeys(_FILES)
    if missing := sorted(set(value or ()) - set(loaded)):
        return f"load_col names no column of {missing[0]}: add them there, or remove it"
    needed = {values[f"{name}_FIELD"] for name in ("USER_ID", "ITEM_ID", "TIME")}
    named = [column for columns in (value or {}).values() for column in columns or ()]
    found = sorted(needed.intersection(named))
    return f"{found[0]} is a part of every event: remove it there" if found else None


def _alias(model: str, value: Any, values: Mapping[str, Any]) -> str | None:
    """Refuse other names of ids that no file of a fixed split can have."""
    if value and not values.get("benchmark_filename"):
        return "no model reads a second column of such ids: rename the column in the file, or remove it"
    return None


def _separator(model: str, value: Any, values: Mapping[str, Any]) -> str | None:
    """Refuse a separator that is no character."""
    return None if isinstance(value, str) and len(value) == 1 else "it must be one character: correct it"


# The types of each part, and the smallest value.
_NEGATIVE_ARGS: dict[str, tuple[tuple[type, ...], Any]] = {
    "distribution": ((str,), None),
    "sample_num": ((int,), 1),
    "alpha": ((int, float), 0),
    "dynamic": ((bool,), False),
    "candidate_num": ((int,), 0),
}
_FILES = ("inter", "user", "item")
_NAMES = ("USER_ID_FIELD", "ITEM_ID_FIELD", "TIME_FIELD", "RATING_FIELD", "LABEL_FIELD", "ITEM_LIST_LENGTH_FIELD")

ONE_LOSS = {"CORE": ("CE",), "FPMC": ("BPR",), "GRU4RecCPR": ("CE",), "SASRecCPR": ("CE",)}
"""The losses of RecBole's models that have not both CE and BPR."""

WITHOUT_LOSS = ("DIEN", "DIN", "TransRec")
"""RecBole's models whose loss cannot be chosen, and which always need negatives."""

TRANSFORMED = {"BERT4Rec": "mask_itemseq", "SHAN": "inverse_itemseq"}
"""RecBole's models that read transformed batches."""

FEATURE_MODELS = ("DIEN", "DIN", "FDSA", "GRU4RecF", "SASRecF")
"""RecBole's models that read features of items."""

_ONE_PROCESS = "a run uses one process: remove it; --threads says how many threads it has, --jobs how many runs at once"
_GRAPH = "no model here reads a knowledge graph: remove it"
_FEATURES = f"no features are read but by {', '.join(FEATURE_MODELS)}: remove it, or choose one of these"
_OWN_LOOP = "the training of {model} does not read it: remove it, or take one of RecBole's with --exact_recbole"

_WORKS = Support()
_PARAMETER_KEY = Support(refusal="the model has no such parameter: remove it", parameter=True)
_GRAPH_KEY, _FEATURE_KEY, _DISTRIBUTED = _never(_GRAPH), _only(FEATURE_MODELS, _FEATURES), _never(_ONE_PROCESS)

DISTRIBUTED = ("nproc", "world_size", "ip", "port", "offset", "local_rank")
"""Keys that RecBole's own ``run`` sets for the processes that it starts."""

SUPPORT: dict[str, Support] = {
    # The machine
    "model": _WORKS,
    "dataset": _WORKS,
    "gpu_id": _WORKS,
    "use_gpu": _WORKS,
    "worker": Support(Training.BATCHES, None, "the training reads its batches in this process: remove it"),
    "seed": _WORKS,
    "state": _WORKS,
    "reproducibility": _WORKS,
    "data_path": _WORKS,
    "checkpoint_dir": _WORKS,
    "show_progress": _WORKS,
    "log_wandb": Support(check=_wandb),
    "wandb_project": _WORKS,
    "save_dataset": _never("pickles are neither read nor written here: remove it"),
    "save_dataloaders": _never("pickles are neither read nor written here: remove it"),
    "dataset_save_path": _never("pickles are neither read nor written here: remove it"),
    "dataloaders_save_path": _never("pickles are neither read nor written here: remove it"),
    **dict.fromkeys(DISTRIBUTED, _DISTRIBUTED),
    "nproc": Support(Training.REGISTERED, None, _ONE_PROCESS),
    # Training
    "epochs": _WORKS,
    "train_batch_size": _WORKS,
    "learner": Support(check=_learner),
    "learning_rate": _WORKS,
    "weight_decay": Support(
        check=lambda model, value, values: (
            "RecBole multiplies it with reg_weight, which is a list here: remove it"
            if value and isinstance(values.get("reg_weight"), list)
            else None
        )
    ),
    "clip_grad_norm": _WORKS,
    "eval_step": _WORKS,
    "stopping_step": _WORKS,
    "loss_decimal_place": _WORKS,
    "loss_type": Support(check=_loss),
    "shuffle": Support(Training.BATCHES, None, _OWN_LOOP),
    "train_neg_sample_args": Support(
        Training.TRIMMED | Training.LOOP,
        None,
        "the training of {model} does not read it: remove it; train_negatives is the plugin's key",
        check=_negatives,
    ),
    "enable_amp": Support(Training.LOOP | Training.COUNTING, None, _OWN_LOOP),
    "enable_scaler": Support(Training.LOOP | Training.COUNTING, None, _OWN_LOOP),
    "transform": _only(
        TRANSFORMED,
        f"the training of {{model}} does not read it, but that of {' and '.join(TRANSFORMED)}: remove it",
        check=_transform,
    ),
    **dict.fromkeys(("mask_ratio", "ft_ratio", "eta", "reg_weight", "initializer_range"), _PARAMETER_KEY),
    "require_pow": _never("no model here reads it: remove it"),
    # Evaluation
    "eval_args": _WORKS,
    "repeatable": Support(
        Training.COUNTING,
        frozenset(registry.GENERAL_MODELS),
        "sequential recommendation may repeat items: remove it; --exclude_history leaves them out",
    ),
    "metrics": _WORKS,
    "topk": _WORKS,
    "valid_metric": _WORKS,
    "valid_metric_bigger": _never("valid_metric decides it: remove it"),
    "eval_batch_size": _WORKS,
    "metric_decimal_place": _WORKS,
    "tail_ratio": _WORKS,
    # Files and columns
    "field_separator": _WORKS,
    "seq_separator": Support(check=_separator),
    "encoding": _WORKS,
    "USER_ID_FIELD": Support(check=_name),
    "ITEM_ID_FIELD": Support(check=_name),
    "TIME_FIELD": Support(check=_name),
    "RATING_FIELD": Support(check=_name),
    "LABEL_FIELD": Support(check=_name),
    "NEG_PREFIX": Support(check=_affix),
    "ITEM_LIST_LENGTH_FIELD": Support(check=_name),
    "LIST_SUFFIX": Support(check=_affix),
    "MAX_ITEM_LIST_LENGTH": _WORKS,
    "POSITION_FIELD": Support(check=_name),
    "load_col": Support(check=_loaded),
    "unload_col": Support(check=_unloaded),
    "unused_col": Support(check=_unused),
    "benchmark_filename": _WORKS,
    "additional_feat_suffix": _never("no model here reads further files: remove it"),
    "threshold": _never(
        "it makes labels of ratings, which no training here reads: keep the wanted rows by val_interval"
    ),
    "alias_of_user_id": _never("no model reads a second column of such ids: rename the column, or remove it"),
    "alias_of_item_id": Support(check=_alias),
    "preload_weight": _never("no model here reads it: remove it"),
    # Filters
    "rm_dup_inter": _WORKS,
    "val_interval": _WORKS,
    "filter_inter_by_user_or_item": _WORKS,
    "user_inter_num_interval": _WORKS,
    "item_inter_num_interval": _WORKS,
    # Features of items
    "selected_features": _only(("FDSA", "GRU4RecF", "SASRecF"), _FEATURES),
    "seq_len": _FEATURE_KEY,
    "numerical_features": _FEATURE_KEY,
    "discretization": _FEATURE_KEY,
    "normalize_field": _FEATURE_KEY,
    "normalize_all": _only(FEATURE_MODELS, _FEATURES, harmless=(None, False)),
    # Knowledge graphs
    "alias_of_entity_id": _GRAPH_KEY,
    "alias_of_relation_id": _GRAPH_KEY,
    "HEAD_ENTITY_ID_FIELD": _GRAPH_KEY,
    "TAIL_ENTITY_ID_FIELD": _GRAPH_KEY,
    "RELATION_ID_FIELD": _GRAPH_KEY,
    "ENTITY_ID_FIELD": _GRAPH_KEY,
    "kg_reverse_r": _GRAPH_KEY,
    "entity_kg_num_interval": _GRAPH_KEY,
    "relation_kg_num_interval": _GRAPH_KEY,
}
"""The keys of RecBole that are no parameters of single models, and those that are declared for all models."""

RENAMED = {
    "batch_size": "train_batch_size",
    "eval_setting": "eval_args",
    "group_by_user": "eval_args",
    "highest_val": "val_interval",
    "leave_one_num": "eval_args",
    "lowest_val": "val_interval",
    "lr": "learning_rate",
    "max_item_inter_num": "item_inter_num_interval",
    "max_user_inter_num": "user_inter_num_interval",
    "min_item_inter_num": "item_inter_num_interval",
    "min_user_inter_num": "user_inter_num_interval",
    "neg_sampling": "train_neg_sample_args",
    "optimizer": "learner",
    "patience": "stopping_step",
    "split_ratio": "eval_args",
    "training_neg_sample_num": "train_neg_sample_args",
}
"""Keys of earlier versions of RecBole, of its script and of other packages, and what they are here."""


def needs_negatives(model: str, values: Mapping[str, Any]) -> bool:
    """Return whether one of RecBole's models is trained on pairs, and its negatives are not set."""
    trained = training_of(model, True) is Training.LOOP
    return (
        trained
        and not values.get("train_neg_sample_args")
        and (model in WITHOUT_LOSS or values.get("loss_type") == "BPR")
    )


def check_supported(
    model: str, layers: Iterable[Layer], values: Mapping[str, Any], defaults: Mapping[str, Any]
) -> None:
    """Check that each given key of RecBole works with a model.

    Args:
        model: The model's name.
        layers: The user's values, lowest first.
        values: Value of every key, all layers merged.
        defaults: The values below the user's layers.

    Raises:
        UserError: A key is refused, or works with other models alone.
    """
    exact = bool(values.get("exact_recbole"))
    places = {key: layer.place for layer in layers for key in layer.values}
    for key, place in places.items():
        entry, value = SUPPORT.get(key), values.get(key)
        if entry is None or value == defaults.get(key) or value in entry.harmless:
            continue
        if entry.works_with(model, exact, key in defaults):
            refusal = entry.check(model, value, values) if entry.check else None
        else:
            refusal = None if value is None else entry.refused_by(model)
        if refusal:
            raise UserError(f"{key} is {value} {place}, but {refusal}")
