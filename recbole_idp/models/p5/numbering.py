"""The numbers that name items in prompts: at random, by texts, or as the authors' code gives them out."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

_ROUNDS = 30


def random_numbers(n_items: int, seed: int) -> np.ndarray:
    """Number items at random, so that a number says nothing.

    Args:
        n_items: The number of items, padding included: N.
        seed: Decides on the numbers.

    Returns:
        A number from 1 to N - 1 for each item, 0 for padding; int64, shape [N].
    """
    return np.r_[0, np.random.default_rng(seed).permutation(n_items - 1) + 1]


def text_numbers(vectors: np.ndarray) -> np.ndarray:
    """Number items by their texts: items with like texts get near numbers, which often begin with the same digits.

    The items are halved along the direction in which their vectors differ most, and each half again, to the last.

    Args:
        vectors: Text vectors of items 1 to N - 1; shape [N - 1, W].

    Returns:
        As of :func:`random_numbers`.
    """
    numbers = np.zeros(len(vectors) + 1, dtype=np.int64)
    numbers[_halved(vectors.astype(np.float64), np.arange(len(vectors))) + 1] = np.arange(1, len(vectors) + 1)
    return numbers


def _halved(vectors: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return rows in an order in which like ones stand together."""
    if len(rows) < 3:
        return rows
    centred = vectors[rows] - vectors[rows].mean(0)
    sizes = np.linalg.norm(centred, axis=1)
    if sizes.max() < 1e-9:
        return rows
    direction = centred[sizes.argmax()]
    for _ in range(_ROUNDS):
        direction = centred.T @ (centred @ direction)
        direction /= np.linalg.norm(direction)
    rows = rows[np.argsort(centred @ direction, kind="stable")]
    middle = len(rows) // 2
    return np.concatenate([_halved(vectors, rows[:middle]), _halved(vectors, rows[middle:])])


def reference_numbers(items: ArrayLike, n_items: int) -> np.ndarray:
    """Number items as the authors' code does: in the order in which users' whole sequences name them first.

    What a user takes one after the other so gets consecutive numbers, events of validation and test included: the
    numbers leak the next item. A warning says so.

    Args:
        items: The items of all events, user after user; shape [E].
        n_items: The number of items, padding included.

    Returns:
        As of :func:`random_numbers`; items without an event come last.
    """
    logging.getLogger().warning(
        "item_numbering: reference numbers items along the users' sequences, test events included: the numbers leak "
        "the next item, and metrics are too high; it is there to show that"
    )
    found, first = np.unique(np.asarray(items), return_index=True)
    order = found[np.argsort(first)]
    order = np.r_[order, np.setdiff1d(np.arange(n_items), order)]
    numbers = np.zeros(n_items, dtype=np.int64)
    numbers[order[order > 0]] = np.arange(1, n_items)
    return numbers
