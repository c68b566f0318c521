"""What views of sequences share: events are removed, and what is left moves to the left."""

from __future__ import annotations

import torch


def without(items: torch.Tensor, removed: torch.Tensor, *marks: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Remove events from rows; what is left keeps its order.

    Args:
        items: Padded with 0 on the right; int64, shape [B, L].
        removed: Which events are removed; bool, shape [B, L].
        *marks: Marks of events, which move with them; bool, shape [B, L].

    Returns:
        The items that are left, padded with 0 on the right, and their marks, False at padding; all of shape [B, L'],
        with L' the length of the longest row.
    """
    gone = removed | (items == 0)
    order = torch.argsort(gone.long(), dim=1, stable=True)
    width = int((~gone).sum(1).max())
    return tuple(part.masked_fill(gone, 0).gather(1, order)[:, :width] for part in (items, *marks))
