"""Which source items behave alike, and how well vectors find them (IDP, V_s of the behaviour-involved loss)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import faiss
import numpy as np

from recbole_idp.search.vectors import normalised

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

NOBODY = -1
"""Fills the columns where an item has fewer neighbours."""
_BLOCK = 4096


def behaviour_neighbours(
    item_embeddings: torch.Tensor | np.ndarray, s: int, known: np.ndarray | None = None
) -> np.ndarray:
    """Find for each item the s items with the most similar pre-trained ID embeddings, by cosine and exactly.

    Args:
        item_embeddings: Pre-trained ID embeddings; shape [S, D].
        s: Number of neighbours of each item.
        known: False for items that have no neighbours and are none, such as those whose embedding was never trained;
            shape [S].

    Returns:
        Item numbers, most similar first, without the item itself; :data:`NOBODY` where there are no more; int64, shape
        [S, s].
    """
    vectors = normalised(np.asarray(item_embeddings))
    known = np.linalg.norm(vectors, axis=1) > 0 if known is None else known
    rows = np.flatnonzero(known)
    neighbours = np.full((len(vectors), s), NOBODY, dtype=np.int64)
    if len(rows):
        neighbours[rows] = nearest_others(vectors[rows], np.arange(len(rows)), s, rows)
    return neighbours


def nearest_others(vectors: np.ndarray, queries: np.ndarray, k: int, names: np.ndarray | None = None) -> np.ndarray:
    """Search for the k nearest rows of some rows, without the rows themselves.

    Args:
        vectors: Of length one or zero; float32, shape [S, W].
        queries: Rows to search for; shape [Q].
        k: Number of rows for each of them.
        names: Number of each row in the result; shape [S].

    Returns:
        Nearest first, :data:`NOBODY` where there are no more; int64, shape [Q, k].
    """
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    found = np.full((len(queries), k), NOBODY, dtype=np.int64)
    for start in range(0, len(queries), _BLOCK):
        block = queries[start : start + _BLOCK]
        _, rows = index.search(vectors[block], min(k + 1, len(vectors)))
        others = rows != block[:, None]
        # Where another row is equal to it, the row itself may stand anywhere, or not at all.
        others[others.all(1), -1] = False
        found[start : start + len(block), : rows.shape[1] - 1] = rows[others].reshape(len(block), -1)
    return found if names is None else np.where(found >= 0, np.asarray(names)[found], NOBODY)


def recall_of_neighbours(
    vectors: np.ndarray, neighbours: np.ndarray, queries: np.ndarray, cutoffs: Sequence[int]
) -> dict[str, float]:
    """Measure how many of an item's behaviour neighbours are among the k items with the nearest vectors.

    Args:
        vectors: Vector of each item, zero where it has no text; shape [S, W].
        neighbours: The result of :func:`behaviour_neighbours`; shape [S, s].
        queries: Items to measure at, each with at least one neighbour; shape [Q].
        cutoffs: Values of k.

    Returns:
        Mean share of the neighbours that were found, by ``recall@k``.
    """
    nearest = nearest_others(normalised(vectors), queries, max(cutoffs))
    true_neighbours = neighbours[queries]
    hits = (nearest[:, :, None] == true_neighbours[:, None, :]) & (true_neighbours != NOBODY)[:, None, :]
    shares = hits.any(2).cumsum(1) / (true_neighbours != NOBODY).sum(1, keepdims=True)
    return {f"recall@{k}": float(shares[:, min(k, shares.shape[1]) - 1].mean()) for k in cutoffs}
