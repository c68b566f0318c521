"""Report a finished run to MLflow or Weights & Biases: its parameters, metrics and files.

A run is reported when its result is saved: whatever a tracker does, nothing is lost. Their own settings decide where
reports go, such as ``MLFLOW_TRACKING_URI``, ``MLFLOW_EXPERIMENT_NAME``, ``WANDB_MODE=offline`` and ``WANDB_API_KEY``.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from recbole_idp.errors import UserError
from recbole_idp.terminal.printable import printable

_PROJECT = "recbole_idp"
# MLflow takes a hundred parameters at a time, of so many characters each.
_BATCH, _LONGEST = 100, 500
# Offline, or not at all: no key is needed.
_NEEDS_NO_KEY = ("offline", "disabled", "dryrun")


class Report(NamedTuple):
    """What is reported of a run.

    Attributes:
        name: Its name.
        project: The project of Weights & Biases.
        parameters: Value of every key that has one.
        metrics: Metrics of the test by variant, ``fine_tune/test/ndcg@10``; and of each training,
            ``fine_tune-2020/test/ndcg@10``, where there are several of a variant.
        files: The files that belong to it. No folder of a model: it may hold users.
    """

    name: str
    project: str
    parameters: dict[str, Any]
    metrics: dict[str, float]
    files: list[Path]


def report_of(result: Mapping[str, Any], files: Sequence[Path]) -> Report:
    """Return what is reported of a result.

    Args:
        result: The result of a run.
        files: The files that it has left.
    """
    config, metrics = result["config"], {}
    for variant, row in result["variants"].items():
        metrics.update(_measured(variant, row))
        if len(row["runs"]) > 1:
            for run in row["runs"]:
                share = "" if run["train_users_share"] == 1 else f"-{run['train_users_share']:g}"
                metrics.update(_measured(f"{variant}-{run['seed']}{share}", run))
    metrics.update({f"stages/{name}/seconds": float(facts["seconds"]) for name, facts in result["stages"].items()})
    metrics["peak_memory_mb"] = float(result["peak_memory_mb"])
    parameters = {key: value for key, value in config.items() if value is not None}
    return Report(
        f"{result['model']} on {result['dataset']}",
        config.get("wandb_project") or _PROJECT,
        {**parameters, **{f"versions.{name}": version for name, version in result["versions"].items()}},
        metrics,
        [path for path in files if path.is_file()],
    )


def _measured(name: str, row: Mapping[str, Any]) -> dict[str, float]:
    """Return the metrics of a variant or of one training."""
    found = {f"{name}/{part}/{metric}": value for part in ("test", "valid") for metric, value in row[part].items()}
    return {**found, f"{name}/seconds": float(row["seconds"])}


def check_tracker(name: str | None) -> None:
    """Check, before any work, that a tracker can be used.

    Args:
        name: ``mlflow`` or ``wandb``; None: nothing is reported.

    Raises:
        UserError: Its package is not installed, or it asks for a key.
    """
    if name is None:
        return
    try:
        package = importlib.import_module(name)
    except Exception as error:  # such packages fail in many ways where one of their own is missing
        raise UserError(
            f"track is {name}, and the package cannot be imported ({_line(error)}): pip install recbole-idp[track]"
        ) from error
    if name == "wandb" and os.environ.get("WANDB_MODE") not in _NEEDS_NO_KEY and not package.api.api_key:
        raise UserError(
            "track is wandb, and it has no key: set WANDB_API_KEY, call `wandb login`, or set WANDB_MODE=offline"
        )


def track(name: str, report: Report) -> None:
    """Report a finished run.

    Args:
        name: ``mlflow`` or ``wandb``.
        report: What is reported.

    Raises:
        UserError: The tracker refuses it.
    """
    try:
        where = _TRACKERS[name](report)
    except Exception as error:  # of their own, of the network, of a database
        raise UserError(
            f"the result is saved, but {name} could not be told of it ({_line(error)}): see its own settings"
        ) from error
    logging.getLogger().info(f"Tracked by {name}: {where}")


def _to_mlflow(report: Report) -> str:
    """Report to MLflow; return where it is."""
    import mlflow

    if not os.environ.get("MLFLOW_EXPERIMENT_NAME") and not os.environ.get("MLFLOW_EXPERIMENT_ID"):
        mlflow.set_experiment(_PROJECT)
    parameters = [(_mlflow_name(key), _text(value)[:_LONGEST]) for key, value in report.parameters.items()]
    # A notebook may have a run of its own open.
    with mlflow.start_run(run_name=report.name, nested=mlflow.active_run() is not None) as run:
        for start in range(0, len(parameters), _BATCH):
            mlflow.log_params(dict(parameters[start : start + _BATCH]))
        mlflow.log_metrics({_mlflow_name(key): value for key, value in report.metrics.items()})
        for path in report.files:
            mlflow.log_artifact(str(path))
    return f"{mlflow.get_tracking_uri()}, run {run.info.run_id}"


def _to_wandb(report: Report) -> str:
    """Report to Weights & Biases; return where it is."""
    import wandb

    settings = wandb.Settings(silent=True, console="off")
    with wandb.init(
        project=report.project, name=report.name, config=dict(report.parameters), settings=settings, reinit=True
    ) as run:
        run.summary.update(report.metrics)
        artifact = wandb.Artifact(re.sub(r"[^\w.-]", "-", f"result-{report.name}"), type="result")
        for path in report.files:
            artifact.add_file(str(path.absolute()), name=path.name)
        run.log_artifact(artifact)
        return run.url or str(Path(run.dir).parent)


_TRACKERS: dict[str, Callable[[Report], str]] = {"mlflow": _to_mlflow, "wandb": _to_wandb}


def _mlflow_name(name: str) -> str:
    """Return a name that MLflow takes: ``ndcg@10`` is ``ndcg_at_10``."""
    return re.sub(r"[^\w\-. :/]", "_", name.replace("@", "_at_"), flags=re.ASCII)


def _text(value: Any) -> str:
    """Return a parameter as text."""
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _line(error: BaseException) -> str:
    """Return an error's text as one short line."""
    return printable(" ".join(str(error).split()))[:200] or type(error).__name__
