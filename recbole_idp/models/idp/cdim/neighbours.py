"""Which source items behave alike, and how well vectors find them (IDP, V_s of the behaviour-involved loss)."""

import faiss
import numpy as np

from recbole_idp.search.vectors import normalised

NOBODY = -1
"""Stands where an item has fewer neighbours than there are columns."""
_BLOCK = 4096


def behaviour_neighbours(item_embeddings, s, known=None):
    """Finds for each item the s items with the most similar pre-trained ID embeddings, by cosine and exactly.

    Args:
        item_embeddings (torch.Tensor | np.ndarray): Pre-trained ID embeddings; shape [S, D].
        s (int): Neighbours of each item.
        known (np.ndarray, optional): False for items whose embedding was never trained, and for others that are to
            have no neighbours and be none; shape [S].

    Returns:
        np.ndarray: Item numbers, most similar first, the item itself left out; :data:`NOBODY` where there are no more;
        int64, shape [S, s].
    """
    vectors = normalised(item_embeddings)
    known = np.linalg.norm(vectors, axis=1) > 0 if known is None else known
    rows = np.flatnonzero(known)
    neighbours = np.full((len(vectors), s), NOBODY, dtype=np.int64)
    if len(rows):
        neighbours[rows] = nearest_others(vectors[rows], np.arange(len(rows)), s, rows)
    return neighbours


def nearest_others(vectors, queries, k, names=None):
    """Searches for the k nearest rows of some rows, themselves left out.

    Args:
        vectors (np.ndarray): Of length one or zero; float32, shape [S, W].
        queries (np.ndarray): Rows to search for; shape [Q].
        k (int): Rows for each of them.
        names (np.ndarray, optional): Number of each row in the result; shape [S].

    Returns:
        np.ndarray: Nearest first, :data:`NOBODY` where there are no more; int64, shape [Q, k].
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


def recall_of_neighbours(vectors, neighbours, queries, cutoffs):
    """Measures how many of an item's behaviour neighbours are among the k items with the nearest vectors.

    Args:
        vectors (np.ndarray): Vector of each item, zero where it has no text; shape [S, W].
        neighbours (np.ndarray): What :func:`behaviour_neighbours` found; shape [S, s].
        queries (np.ndarray): Items to measure at, each with a neighbour at least; shape [Q].
        cutoffs (Sequence[int]): Values of k.

    Returns:
        dict[str, float]: Mean share of the neighbours that were found, by ``recall@k``.
    """
    nearest = nearest_others(normalised(vectors), queries, max(cutoffs))
    wanted = neighbours[queries]
    hits = (nearest[:, :, None] == wanted[:, None, :]) & (wanted != NOBODY)[:, None, :]
    shares = hits.any(2).cumsum(1) / (wanted != NOBODY).sum(1, keepdims=True)
    return {f"recall@{k}": float(shares[:, min(k, shares.shape[1]) - 1].mean()) for k in cutoffs}
