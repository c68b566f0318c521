"""``training``: train RecBole's SASRec and ours for the same time on the same data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from recbole_idp import compat
from recbole_idp.benchmark.evaluation import evaluate, evaluation_rows
from recbole_idp.benchmark.loop import measure_training
from recbole_idp.benchmark.output import Row, announce, ratio
from recbole_idp.benchmark.sides import Side, recbole_config
from recbole_idp.run.prepare import data_fingerprint

if TYPE_CHECKING:
    from recbole_idp.config.strict import StrictConfig


PLAIN = "recbole_without_anomaly_detection"


def run(config: StrictConfig, seconds: float, recbole_seconds: float = 0) -> tuple[dict[str, Any], list[Row]]:
    """Train and evaluate ours, RecBole's, and RecBole's without anomaly detection.

    Args:
        config: The configuration.
        seconds: Training time of each in seconds; evaluation is not counted.
        recbole_seconds: Training time of RecBole's in seconds; 0: the same.

    Returns:
        The measurements, and the rows of the table.
    """
    recbole_seconds = recbole_seconds or seconds
    announce(f"reading {config['dataset']}, ours")
    ours = Side.read(config)
    results = {"ours": _measure(ours, "ours", seconds)}
    announce(f"reading {config['dataset']}, RecBole")
    theirs = Side.read(recbole_config(config))
    # Importing RecBole's models has turned it on, so this is what its users get.
    anomaly_detection = torch.is_anomaly_enabled()
    results["recbole"] = _measure(theirs, "RecBole", recbole_seconds)
    with compat.without_anomaly_detection():
        results[PLAIN] = _measure(theirs, "RecBole without anomaly detection", recbole_seconds)
    ratios = {
        "targets_per_second": ratio(results, "training", "targets_per_second"),
        "targets_per_second_without_anomaly_detection": ratio(results, "training", "targets_per_second", PLAIN),
        "targets_per_cpu_second": ratio(results, "training", "targets_per_cpu_second"),
        "seconds_per_epoch": ratio(results, "training", "seconds_per_epoch", less=True),
        "training_memory": ratio(results, "training", "peak_memory_mb", less=True),
        "evaluation_seconds": ratio(results, "evaluation", "seconds", less=True),
        "evaluation_memory": ratio(results, "evaluation", "peak_memory_mb", less=True),
        "valid_ndcg@10": ratio(results, "valid", "ndcg@10"),
        "test_ndcg@10": ratio(results, "test", "ndcg@10"),
    }
    facts = {
        "data_fingerprint": data_fingerprint(ours.dataset),
        "anomaly_detection_of_recbole": anomaly_detection,
        **results,
        "ratio": ratios,
    }
    return facts, _rows(seconds, recbole_seconds)


def _measure(side: Side, name: str, seconds: float) -> dict[str, Any]:
    train, valid, test = side.loaders
    side.renew()
    announce(f"training {name} for {seconds:g} s")
    n_targets = len(train.dataset)
    trained = measure_training(
        side.trainer, train, n_targets, side.n_candidates, side.loss, side.sizes_of, seconds=seconds
    )
    announce(f"evaluating {name}")
    evaluation, valid_metrics = evaluate(side, valid)
    _, test_metrics = evaluate(side, test)
    return {
        "reading": side.reading,
        "training": trained,
        "evaluation": evaluation,
        "valid": valid_metrics,
        "test": test_metrics,
    }


def _rows(seconds: float, recbole_seconds: float) -> list[Row]:
    after = f"{seconds:g} s" if recbole_seconds == seconds else f"{seconds:g} s (RecBole {recbole_seconds:g} s)"
    return [
        Row("reading, s", "reading", "seconds", less=True),
        Row("training targets/s", "training", "targets_per_second", digits=0),
        Row("training targets/s, median step", "training", "targets_per_second_of_median_step", digits=0),
        Row("training targets per CPU second", "training", "targets_per_cpu_second", digits=0),
        Row("seconds per epoch", "training", "seconds_per_epoch", less=True),
        Row("... being", "training", "seconds_per_epoch_is", compared=False),
        Row("training memory, MiB", "training", "peak_memory_mb", less=True, digits=0),
        *arithmetic_rows(),
        *evaluation_rows(),
        Row(f"epochs in {after}", "training", "epochs"),
        Row(f"valid NDCG@10 after {after}", "valid", "ndcg@10", digits=4),
        Row(f"test NDCG@10 after {after}", "test", "ndcg@10", digits=4),
    ]


def arithmetic_rows() -> list[Row]:
    """Return the table's rows on the arithmetic of a training step."""
    return [
        Row("MFLOP per target", "training", "flops_per_target", less=True, scale=1e-6),
        Row("training GFLOP/s", "training", "gflops"),
        Row("matrix-product GFLOP/s of the machine", "training", "machine_gflops", compared=False),
        Row("% of it reached", "training", "machine_percent"),
        Row("load average", "training", "load_average", compared=False),
    ]
