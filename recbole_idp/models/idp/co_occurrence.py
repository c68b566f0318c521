"""Which items follow one another in a target's own data, as vectors of the items."""

import numpy as np
from scipy import sparse

WIDTH = 32


def behaviour_vectors(targets, n_items, seed, rows=None):
    """Factors the positive pointwise mutual information of items that follow one another.

    Args:
        targets (Targets): Items are numbered from 1.
        n_items (int): T.
        seed (int): Of the factorisation.
        rows (np.ndarray, optional): The targets to look at; shape [R]. None: all.

    Returns:
        np.ndarray: Float32, shape [T, at most 32]; zero for items that nothing is known about.
    """
    from sklearn.utils.extmath import randomized_svd

    before, after = following(targets, slice(None) if rows is None else rows)
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


def following(targets, rows):
    """Looks up the events before some targets.

    Args:
        targets (Targets): Items are numbered from 1.
        rows (np.ndarray | slice): Which targets, R of them.

    Returns:
        tuple[np.ndarray, np.ndarray]: The item just before each target, and the target; from 0, shape [R] each.
    """
    ends = targets.ends[rows]
    return targets.sequences.items[ends - 1].numpy() - 1, targets.sequences.items[ends].numpy() - 1
