"""Item vectors from a target's own data: which items follow one another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from recbole_idp.data.sequences import Targets

WIDTH = 32


def behaviour_vectors(targets: Targets, n_items: int, seed: int, rows: np.ndarray | None = None) -> np.ndarray:
    """Factorise the positive pointwise mutual information of items that follow one another.

    Args:
        targets: Items are numbered from 1.
        n_items: Number of items T.
        seed: Seed of the factorisation.
        rows: The targets to use; shape [R]. None: all.

    Returns:
        Float32, shape [T, at most 32]; zero for items that never occur with another one.
    """
    from sklearn.utils.extmath import randomized_svd

    before, after = following(targets, slice(None) if rows is None else rows, n_items)
    apart = before != after
    counts = sparse.coo_matrix((np.ones(apart.sum()), (before[apart], after[apart])), shape=(n_items, n_items)).tocsr()
    counts = (counts + counts.T).tocoo()
    totals = np.asarray(counts.sum(0)).ravel()
    information = np.log(counts.data * totals.sum() / (totals[counts.row] * totals[counts.col]))
    matrix = sparse.csr_matrix((information.clip(min=0), (counts.row, counts.col)), shape=(n_items, n_items))
    matrix.eliminate_zeros()
    if not matrix.nnz:
        return np.zeros((n_items, 1), dtype=np.float32)
    left, strength, _ = randomized_svd(matrix, min(WIDTH, n_items), random_state=seed)
    return (left * np.sqrt(strength)).astype(np.float32)


def following(targets: Targets, rows: np.ndarray | slice, n_items: int) -> tuple[np.ndarray, np.ndarray]:
    """Look up the events before some targets.

    Args:
        targets: Items are numbered from 1.
        rows: Numbers of targets, or a slice of them.
        n_items: Number of items T. Targets that follow an event in another domain are left out.

    Returns:
        The item just before each of R targets, and the target; numbered from 0, shape [R] each.
    """
    ends = targets.ends[rows]
    before, after = (targets.sequences.items[places].numpy() - 1 for places in (ends - 1, ends))
    own = before < n_items
    return before[own], after[own]
