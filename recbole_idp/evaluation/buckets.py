"""Metrics of parts of the test: by how often the target item was seen in training, and by how long the history is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from recbole_idp.evaluation.significance import gains

if TYPE_CHECKING:
    import numpy.typing as npt


METRICS = ("Hit@10", "NDCG@10", "Hit@20", "NDCG@20", "MRR")


def bucket_metrics(
    ranks: npt.ArrayLike, popularity: npt.ArrayLike, history: npt.ArrayLike, begins: Mapping[str, Sequence[int]]
) -> dict[str, list[dict[str, Any]]]:
    """Compute metrics for each bucket. Targets below the first bucket are in none.

    Args:
        ranks: Rank of each test target, from 1; shape [R].
        popularity: Training interactions of the target item; shape [R].
        history: Events before the target; shape [R].
        begins: Where the buckets of ``popularity`` and of ``history`` begin.

    Returns:
        Under ``popularity`` and ``history`` the buckets that have targets, in order: ``label`` (``1 to 4``, ``20 and
        more``), ``users`` (targets in it) and ``metrics``.
    """
    sizes = {"popularity": popularity, "history": history}
    return {name: _buckets(np.asarray(ranks), np.asarray(values), begins[name]) for name, values in sizes.items()}


def _buckets(ranks: np.ndarray, values: np.ndarray, begins: Sequence[int]) -> list[dict[str, Any]]:
    number = np.searchsorted(begins, values, side="right") - 1
    found = []
    for bucket in range(len(begins)):
        inside = ranks[number == bucket]
        if len(inside):
            metrics = {metric.lower(): round(float(gains(inside, metric).mean()), 6) for metric in METRICS}
            found.append({"label": _label(begins, bucket), "users": len(inside), "metrics": metrics})
    return found


def _label(begins: Sequence[int], bucket: int) -> str:
    if bucket == len(begins) - 1:
        return f"{begins[bucket]} and more"
    last = begins[bucket + 1] - 1
    return str(last) if last == begins[bucket] else f"{begins[bucket]} to {last}"
