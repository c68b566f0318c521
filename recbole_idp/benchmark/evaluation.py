"""``evaluation``: full ranking by RecBole's trainer and ours, with the same weights."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from recbole_idp.benchmark.measure import load_average, usage
from recbole_idp.benchmark.output import Row, announce, ratio
from recbole_idp.benchmark.sides import Side, recbole_config
from recbole_idp.config.derive import derive
from recbole_idp.errors import UserError
from recbole_idp.recbole_models.weights import load_recbole_sasrec
from recbole_idp.run.prepare import data_fingerprint

if TYPE_CHECKING:
    from recbole.data.dataloader import FullSortEvalDataLoader

    from recbole_idp.config.strict import StrictConfig


DECIMALS = 8
SWAPPED_USERS = 2
"""Scores that differ in the last bit only may swap two items, and a metric differs by that user's share at most."""


def evaluate(side: Side, loader: FullSortEvalDataLoader) -> tuple[dict[str, float], dict[str, float]]:
    """Evaluate a side's model with its own trainer.

    Args:
        side: The side.
        loader: Validation or test.

    Returns:
        The measurements, and the metrics.
    """
    with usage() as used:
        metrics = side.trainer.evaluate(loader, load_best_model=False, show_progress=False)
    users = len(loader.dataset)
    return {
        "seconds": round(used.seconds, 4),
        "cpu_seconds": round(used.cpu_seconds, 4),
        "users": users,
        "users_per_second": round(users / used.seconds, 1),
        "peak_memory_mb": round(used.peak_memory_mb, 1),
    }, {name: float(value) for name, value in metrics.items()}


def run(config: StrictConfig, repeats: int) -> tuple[dict[str, Any], list[Row]]:
    """Evaluate RecBole's SASRec and ours in turn, both with RecBole's random weights.

    Args:
        config: The configuration.
        repeats: Number of evaluations of each; the median is reported.

    Returns:
        The measurements, and the rows of the table.

    Raises:
        UserError: The metrics of the two differ, so that their times cannot be compared.
    """
    announce(f"reading {config['dataset']}, ours and RecBole")
    # Four decimals, RecBole's default, would hide much in the low metrics of random weights.
    config = derive(config, metric_decimal_place=DECIMALS)
    sides = {"ours": Side.read(config), "recbole": Side.read(recbole_config(config))}
    load_recbole_sasrec(sides["ours"].model, sides["recbole"].model.state_dict())
    measured: dict[str, list[dict[str, float]]] = {name: [] for name in sides}
    metrics: dict[str, dict[str, float]] = {}
    for number in range(repeats):
        for name, side in sides.items():
            announce(f"evaluating {name}, {number + 1} of {repeats}")
            facts, metrics[name] = evaluate(side, side.loaders[1])
            measured[name].append(facts)
    results: dict[str, dict[str, Any]] = {
        name: {"evaluation": _middle(measured[name]), "load_average": load_average(), "valid": metrics[name]}
        for name in sides
    }
    difference = largest_difference(metrics["ours"], metrics["recbole"])
    if difference > SWAPPED_USERS / results["ours"]["evaluation"]["users"]:
        raise UserError(
            f"the metrics of the two evaluations differ by {difference:.6f} on {config['dataset']}: please report this"
        )
    report = {
        "data_fingerprint": data_fingerprint(sides["ours"].dataset),
        **results,
        "largest_metric_difference": difference,
        "ratio": {
            "seconds": ratio(results, "evaluation", "seconds", less=True),
            "cpu_seconds": ratio(results, "evaluation", "cpu_seconds", less=True),
            "memory": ratio(results, "evaluation", "peak_memory_mb", less=True),
        },
    }
    return report, [*evaluation_rows(), Row("NDCG@10 (random weights)", "valid", "ndcg@10", digits=DECIMALS)]


def largest_difference(ours: Mapping[str, float], theirs: Mapping[str, float]) -> float:
    """Return the largest difference of two evaluations' metrics; ours may have more of them."""
    return max(abs(ours[name] - value) for name, value in theirs.items())


def evaluation_rows() -> list[Row]:
    """Return the table's rows on evaluation."""
    return [
        Row("evaluation, s", "evaluation", "seconds", less=True),
        Row("evaluation, CPU seconds", "evaluation", "cpu_seconds", less=True),
        Row("evaluation users/s", "evaluation", "users_per_second"),
        Row("evaluation memory, MiB", "evaluation", "peak_memory_mb", less=True),
    ]


def _middle(measured: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Summarise repeated measurements: the medians of time and rate, the largest memory."""
    return {
        "users": measured[0]["users"],
        **{
            key: statistics.median(facts[key] for facts in measured)
            for key in ("seconds", "cpu_seconds", "users_per_second")
        },
        "peak_memory_mb": max(facts["peak_memory_mb"] for facts in measured),
        "repeats": len(measured),
    }
