"""Metrics of all recommended lists together: coverage, popularity, evenness and share of the tail.

The definitions are those of RecBole's evaluator. Where few items are candidates, a list may be shorter than its
cut-off; what is not there is not counted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Lists:
    """The lists that are recommended after some histories.

    Attributes:
        items: Item numbers, best first, 0 behind the end of a list; int64, shape [R, K].
        n_items: Number of items, the padding item included.
        counts: Number of training events of each item; shape [N]. None where no metric needs it.
        tail_ratio: RecBole's key: the share of the trained items that are the tail, or, above 1, the largest number
            of events of an item of the tail.
    """

    items: np.ndarray
    n_items: int
    counts: np.ndarray | None = None
    tail_ratio: float = 0.1


def item_coverage(lists: Lists) -> float:
    """Return the share of all items that are in some list.

    As in RecBole, the padding item is one of all.
    """
    return np.count_nonzero(_frequencies(lists)) / lists.n_items


def average_popularity(lists: Lists) -> float:
    """Return the mean number of training events of the items of a list, averaged over the lists."""
    assert lists.counts is not None  # as the evaluator collects them for this metric
    return _mean_in_lists(lists, lists.counts)


def shannon_entropy(lists: Lists) -> float:
    """Return the entropy of how often items are recommended, divided by their number, as in RecBole."""
    found = _frequencies(lists)
    found = found[found > 0]
    if len(found) == 0:
        return 0.0
    shares = found / found.sum()
    return float(-(shares * np.log(shares)).sum() / len(found))


def gini_index(lists: Lists) -> float:
    """Return the Gini index of how often items are recommended: 0 for evenly, near 1 for one item alone.

    As in RecBole, the padding item is one of all.
    """
    found = np.sort(_frequencies(lists))
    if found.sum() == 0:
        return 0.0
    places = np.arange(1, lists.n_items + 1)
    return float(((2 * places - lists.n_items - 1) * found).sum() / (lists.n_items * found.sum()))


def tail_percentage(lists: Lists) -> float:
    """Return the share of a list that is in the tail, averaged over the lists.

    The tail are the trained items with the fewest training events, those of smaller numbers first.
    """
    assert lists.counts is not None  # as the evaluator collects them for this metric
    trained = np.flatnonzero(lists.counts)
    if lists.tail_ratio > 1:
        tail = trained[lists.counts[trained] <= lists.tail_ratio]
    else:
        order = trained[np.argsort(lists.counts[trained], kind="stable")]
        tail = order[: max(int(len(order) * lists.tail_ratio), 1)]
    return _mean_in_lists(lists, np.isin(np.arange(lists.n_items), tail))


LIST_METRICS: dict[str, Callable[[Lists], float]] = {
    "itemcoverage": item_coverage,
    "averagepopularity": average_popularity,
    "shannonentropy": shannon_entropy,
    "giniindex": gini_index,
    "tailpercentage": tail_percentage,
}
"""The metrics by their names in results."""


def _frequencies(lists: Lists) -> np.ndarray:
    """Count how often each item is recommended; shape [N], 0 for the padding item."""
    found = np.bincount(lists.items.ravel(), minlength=lists.n_items)
    found[0] = 0
    return found


def _mean_in_lists(lists: Lists, values: np.ndarray) -> float:
    """Return the mean of a value over the items of a list, averaged over the lists; 0 for an empty list."""
    there = lists.items > 0
    sums = np.where(there, values[lists.items], 0).sum(1)
    return float((sums / np.maximum(there.sum(1), 1)).mean())
