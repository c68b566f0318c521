"""Positives of the behaviour loss: items with near IDs, as in the paper, or items that follow in users' sequences."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy import sparse

from recbole_idp.models.idp.cdim.neighbours import NOBODY, behaviour_neighbours

if TYPE_CHECKING:
    from recbole_idp.data.sequences import Sequences
    from recbole_idp.models.idp.cdim.depths import SourceItems

WINDOW = 3
"""How many events apart two items may be; the weight of a pair is one over the distance."""


def near_ids(items: SourceItems, s: int, known: np.ndarray) -> np.ndarray:
    """Find the s items with the most similar pre-trained IDs (IDP, V_s of the behaviour-involved loss).

    Args:
        items: The source items.
        s: Number of positives of each item.
        known: False for items without a vector; shape [S].

    Returns:
        As of :func:`behaviour_neighbours`; items whose ID was never trained have none.
    """
    return behaviour_neighbours(items.embeddings, s, known & (items.events > 0))


def next_items(items: SourceItems, s: int, known: np.ndarray) -> np.ndarray:
    """Find the s items that stand beside an item in users' sequences most often, for their popularity.

    Args:
        items: The source items.
        s: Number of positives of each item.
        known: False for items without a vector; shape [S].

    Returns:
        As of :func:`following_neighbours`.
    """
    return following_neighbours(items.sequences, len(known), s, known)


POSITIVES = {"behaviour": near_ids, "next_items": next_items}
"""What finds the positives, by the key ``cdim_positives``."""


def following_neighbours(sequences: Sequences, n_items: int, s: int, known: np.ndarray | None = None) -> np.ndarray:
    """Find the items that people take near each item, weighted against popularity.

    weight(i, k) = c_ik / sqrt(c_i c_k), c_ik being the number of times that i and k stand within :data:`WINDOW` events
    of each other, each over their distance, and c_i the sum of c_ik over k.

    Args:
        sequences: The events; items are numbered from 1.
        n_items: Number of items S.
        s: Number of neighbours of each item.
        known: False for items that have no neighbours and are none; shape [S]. None: all are true.

    Returns:
        Item numbers from 0, the heaviest first, equal ones in the order of their numbers, without the item itself;
        :data:`NOBODY` where there are no more; int64, shape [S, s].
    """
    counts = beside(sequences, n_items)
    if known is not None:
        kept = sparse.diags(known.astype(np.float64))
        counts = (kept @ counts @ kept).tocsr()
    totals = np.asarray(counts.sum(1)).ravel()
    scale = sparse.diags(1 / np.sqrt(np.maximum(totals, 1e-12)))
    pairs = (scale @ counts @ scale).tocoo()
    # Sums of shares differ in their last digit with the order of the summands.
    order = np.lexsort((pairs.col, -pairs.data.round(9), pairs.row))
    rows, columns = pairs.row[order], pairs.col[order]
    place = np.arange(len(rows)) - np.searchsorted(rows, rows)
    neighbours = np.full((n_items, s), NOBODY, dtype=np.int64)
    first = place < s
    neighbours[rows[first], place[first]] = columns[first]
    return neighbours


def beside(sequences: Sequences, n_items: int) -> sparse.csr_matrix:
    """Count how often items stand near each other in one user's sequence, in either order.

    Args:
        sequences: The events; items are numbered from 1.
        n_items: Number of items S.

    Returns:
        c_ik of :func:`following_neighbours`, symmetric, zero on the diagonal; shape [S, S].
    """
    items = sequences.items.numpy() - 1
    users = torch.repeat_interleave(torch.arange(len(sequences.lengths())), sequences.lengths()).numpy()
    counts = sparse.csr_matrix((n_items, n_items))
    for distance in range(1, WINDOW + 1):
        before, after = items[:-distance], items[distance:]
        pair = (users[:-distance] == users[distance:]) & (before != after)
        found = np.full(int(pair.sum()), 1 / distance)
        counts = counts + sparse.coo_matrix((found, (before[pair], after[pair])), shape=counts.shape).tocsr()
    return (counts + counts.T).tocsr()
