"""Metrics of parts of the test: by how often, or whether, training has seen the target, and by the history's length."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from recbole_idp.evaluation.gains import gains
from recbole_idp.evaluation.metrics import Basis, parse

if TYPE_CHECKING:
    import numpy.typing as npt


METRICS = ("Hit@10", "NDCG@10", "Hit@20", "NDCG@20", "MRR")
"""What is measured in buckets, with the watched metric where it follows from ranks."""


def bucket_metrics(
    ranks: npt.ArrayLike,
    popularity: npt.ArrayLike,
    history: npt.ArrayLike,
    begins: Mapping[str, Sequence[int]],
    watched: str,
) -> dict[str, list[dict[str, Any]]]:
    """Compute metrics for each bucket. Targets below the first bucket are in none.

    Args:
        ranks: Rank of each test target, from 1; shape [R].
        popularity: Training interactions of the target item; shape [R].
        history: Events before the target; shape [R].
        begins: Where the buckets of ``popularity`` and of ``history`` begin.
        watched: The metric of early stopping, which is computed as well if it follows from ranks.

    Returns:
        Under ``popularity`` and ``history`` the buckets that have targets, in order: ``label`` (``1 to 4``, ``20 and
        more``), ``users`` (targets in it) and ``metrics``.
    """
    metrics = with_watched(METRICS, watched)
    sizes = {"popularity": popularity, "history": history}
    return {
        name: _buckets(np.asarray(ranks), np.asarray(values), begins[name], metrics) for name, values in sizes.items()
    }


def with_watched(names: Iterable[str], watched: str) -> list[str]:
    """Return names of metrics, with the watched one if it follows from ranks, each once."""
    key = parse(watched)
    return list(dict.fromkeys([*names, *([key.title] if key.metric.basis is Basis.RANKS else [])]))


SEEN, UNSEEN = "seen in training", "not seen in training"


def novelty_metrics(
    ranks: npt.ArrayLike, users_seen: npt.ArrayLike, items_seen: npt.ArrayLike
) -> dict[str, list[dict[str, Any]]]:
    """Compute metrics apart for targets of users, and of items, that training has not seen.

    Args:
        ranks: Rank of each test target, from 1; shape [R].
        users_seen: Whether the target's user has a training event; bool, shape [R].
        items_seen: Whether the target's item has a training event; bool, shape [R].

    Returns:
        Under ``user_novelty`` and ``item_novelty`` two buckets as of :func:`bucket_metrics`, one where no target is
        seen. Where all are seen, there is no entry.
    """
    found = {}
    for name, seen in (("user_novelty", users_seen), ("item_novelty", items_seen)):
        groups = ((SEEN, np.asarray(seen)), (UNSEEN, ~np.asarray(seen)))
        if groups[1][1].any():
            found[name] = _filled(np.asarray(ranks), groups, METRICS)
    return found


JOINED, NOT_JOINED = "joined", "not joined"


def joined_metrics(
    ranks: npt.ArrayLike,
    joined: npt.ArrayLike,
    own_history: npt.ArrayLike,
    begins: Sequence[int],
    names: Iterable[str] = METRICS,
) -> dict[str, list[dict[str, Any]]]:
    """Compute metrics apart for targets of users who are joined with other domains.

    Args:
        ranks: Rank of each test target, from 1; shape [R].
        joined: Whether the target's user has an event in another domain; bool, shape [R].
        own_history: Events of the target's own domain before the target; shape [R].
        begins: Where the buckets of ``own_history`` begin.
        names: The metrics.

    Returns:
        Under ``joined`` two buckets as of :func:`bucket_metrics`, one where all users or none are joined. Under
        ``joined_history`` the buckets of joined users by ``own_history``; there is no entry where none has targets.
    """
    ranks, joined, names = np.asarray(ranks), np.asarray(joined), list(names)
    groups = _filled(ranks, ((JOINED, joined), (NOT_JOINED, ~joined)), names)
    by_length = _buckets(ranks[joined], np.asarray(own_history)[joined], begins, names)
    return {name: buckets for name, buckets in (("joined", groups), ("joined_history", by_length)) if buckets}


def _filled(ranks: np.ndarray, groups: Iterable[tuple[str, np.ndarray]], names: Iterable[str]) -> list[dict[str, Any]]:
    """Return a bucket for each group that has targets."""
    return [_bucket(ranks[inside], label, names) for label, inside in groups if inside.any()]


def _bucket(ranks: np.ndarray, label: str, names: Iterable[str]) -> dict[str, Any]:
    """Return the metrics of some targets."""
    metrics = {metric.lower(): round(float(gains(ranks, metric).mean()), 6) for metric in names}
    return {"label": label, "users": len(ranks), "metrics": metrics}


def _buckets(
    ranks: np.ndarray, values: np.ndarray, begins: Sequence[int], names: Iterable[str]
) -> list[dict[str, Any]]:
    number = np.searchsorted(begins, values, side="right") - 1
    found = []
    for bucket in range(len(begins)):
        inside = ranks[number == bucket]
        if len(inside):
            found.append(_bucket(inside, _label(begins, bucket), names))
    return found


def _label(begins: Sequence[int], bucket: int) -> str:
    if bucket == len(begins) - 1:
        return f"{begins[bucket]} and more"
    last = begins[bucket + 1] - 1
    return str(last) if last == begins[bucket] else f"{begins[bucket]} to {last}"
