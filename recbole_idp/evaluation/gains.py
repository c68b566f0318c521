"""Ranking metrics of each target by itself: one item is relevant."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from recbole_idp.errors import UserError
from recbole_idp.evaluation.metrics import PER_USER, Basis, parse

if TYPE_CHECKING:
    import numpy.typing as npt

NOT_RANKED = 2**31 - 1
"""The rank of a target that is no candidate; files of ranks are int32."""


def gains(ranks: npt.ArrayLike, metric: str) -> np.ndarray:
    """Compute a ranking metric for each target by itself: one item is relevant.

    Their mean is the metric of RecBole's evaluator.

    Args:
        ranks: Ranks from 1; any shape.
        metric: ``NDCG@k`` or any other metric of ranks, or ``MRR`` over the whole list; case does not matter.

    Returns:
        Values from 0 to 1, of the ranks' shape.

    Raises:
        UserError: The metric is none of these.
    """
    try:
        key = parse(metric)
    except UserError as error:
        raise UserError(f"{metric} cannot be compared user by user: {error}") from None
    if key.metric.basis is not Basis.RANKS:
        raise UserError(f"{metric} cannot be compared user by user: choose one of {PER_USER}, such as NDCG@10")
    ranks = np.asarray(ranks, dtype=np.float64)
    cutoff = NOT_RANKED - 1 if key.cutoff is None else min(key.cutoff, NOT_RANKED - 1)
    return np.where(ranks <= cutoff, _GAINS[key.metric.name](ranks, key.cutoff or 1), 0.0)


# By rank and cut-off, for targets in the list. The average precision of one relevant item is its reciprocal rank.
_GAINS: dict[str, Callable[[np.ndarray, int], np.ndarray]] = {
    "Hit": lambda ranks, k: np.ones_like(ranks),
    "Recall": lambda ranks, k: np.ones_like(ranks),
    "Precision": lambda ranks, k: np.full_like(ranks, 1 / k),
    "MRR": lambda ranks, k: 1 / ranks,
    "MAP": lambda ranks, k: 1 / ranks,
    "NDCG": lambda ranks, k: 1 / np.log2(ranks + 1),
    "Accuracy": lambda ranks, k: (ranks == 1).astype(np.float64),
}
