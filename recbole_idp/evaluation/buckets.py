"""Metrics of parts of the test: by how often the target item was seen in training, and by how long the history is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from recbole_idp.evaluation.gains import gains
from recbole_idp.evaluation.metrics import Basis, parse

if TYPE_CHECKING:
    import numpy.typing as npt
    from recbole.config import Config


METRICS = ("Hit@10", "NDCG@10", "Hit@20", "NDCG@20", "MRR")
"""What is measured in buckets, with the watched metric where it follows from ranks."""


def bucket_metrics(
    ranks: npt.ArrayLike, popularity: npt.ArrayLike, history: npt.ArrayLike, config: Config
) -> dict[str, list[dict[str, Any]]]:
    """Compute metrics for each bucket. Targets below the first bucket are in none.

    Args:
        ranks: Rank of each test target, from 1; shape [R].
        popularity: Training interactions of the target item; shape [R].
        history: Events before the target; shape [R].
        config: The configuration, with ``popularity_buckets`` and ``history_buckets``: where buckets begin; and with
            ``valid_metric``.

    Returns:
        Under ``popularity`` and ``history`` the buckets that have targets, in order: ``label`` (``1 to 4``, ``20 and
        more``), ``users`` (targets in it) and ``metrics``.
    """
    watched = parse(config["valid_metric"])
    metrics = dict.fromkeys([*METRICS, *([watched.title] if watched.metric.basis is Basis.RANKS else [])])
    sizes = {"popularity": popularity, "history": history}
    return {
        name: _buckets(np.asarray(ranks), np.asarray(values), config[f"{name}_buckets"], metrics)
        for name, values in sizes.items()
    }


def _buckets(
    ranks: np.ndarray, values: np.ndarray, begins: Sequence[int], names: Iterable[str]
) -> list[dict[str, Any]]:
    number = np.searchsorted(begins, values, side="right") - 1
    found = []
    for bucket in range(len(begins)):
        inside = ranks[number == bucket]
        if len(inside):
            metrics = {metric.lower(): round(float(gains(inside, metric).mean()), 6) for metric in names}
            found.append({"label": _label(begins, bucket), "users": len(inside), "metrics": metrics})
    return found


def _label(begins: Sequence[int], bucket: int) -> str:
    if bucket == len(begins) - 1:
        return f"{begins[bucket]} and more"
    last = begins[bucket + 1] - 1
    return str(last) if last == begins[bucket] else f"{begins[bucket]} to {last}"
