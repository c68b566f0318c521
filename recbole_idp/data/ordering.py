"""Stable sorting of long columns of whole numbers by their digits, which does not lose the cache as comparing does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Whole numbers of float64 up to here are exact.
_EXACT = 2.0**53


def stable_order(values: NDArray[Any]) -> NDArray[np.int64]:
    """Return what ``np.argsort(values, kind="stable")`` does, in a fraction of the time.

    Args:
        values: Numbers; shape [E].

    Returns:
        Their order: ascending, equal ones in the given order; shape [E].
    """
    if is_ascending(values):
        return np.arange(len(values))
    whole = _as_whole(values)
    if whole is None:
        return np.argsort(values, kind="stable")
    # PyTorch sorts whole numbers by their digits, 4 bytes in half the time of 8.
    return torch.sort(torch.from_numpy(whole), stable=True).indices.numpy()


def order_by(first: NDArray[Any], second: NDArray[Any]) -> NDArray[np.int64]:
    """Return the order by two columns: what ``np.lexsort((second, first))`` does.

    Args:
        first: The column that decides; shape [E].
        second: The column that decides where the first one is equal; shape [E].

    Returns:
        The order, rows with equal values in the given order; shape [E].
    """
    if _is_ordered(first, second):
        return np.arange(len(first))
    order = stable_order(second)
    return order[stable_order(first[order])]


def is_ascending(values: NDArray[Any]) -> bool:
    """Return whether no value is less than the one before."""
    return bool((values[1:] >= values[:-1]).all())


def _is_ordered(first: NDArray[Any], second: NDArray[Any]) -> bool:
    """Return whether rows are in the order of two columns."""
    if not is_ascending(first):
        return False
    return bool(((second[1:] >= second[:-1]) | (first[1:] > first[:-1])).all())


def _as_whole(values: NDArray[Any]) -> NDArray[np.signedinteger[Any]] | None:
    """Return numbers in the same order in 4 bytes if they fit, else in 8; None where some are no whole numbers."""
    lowest, highest = values.min(), values.max()
    if values.dtype.kind == "f":
        # NaN is unequal to itself.
        exact = abs(lowest) < _EXACT and abs(highest) < _EXACT and (values == np.floor(values)).all()
        if not exact:
            return None
    elif values.dtype.kind != "i":
        return None
    if int(highest) - int(lowest) < 2**31:
        return (values - lowest).astype(np.int32)
    return values.astype(np.int64)
