"""Rows for BERT4Rec: some items of a row are masked, and predicted from those on either side."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from recbole_idp.data.rows import Batch

if TYPE_CHECKING:
    from recbole_idp.data.rows import Batches


class MaskedBatches:
    """Rows with next items as rows with masked items, drawn again each epoch.

    A row holds all that next-item training reads: its items and its last target. Each item is masked with the
    probability ``mask_ratio``, at least one of them. In the share ``ft_ratio`` of the rows only the last item is
    masked, which is the task of recommending.

    Args:
        rows: Batches of rows.
        cut: Whether a row whose last item is masked is cut at a random place, as rows of :class:`PrefixBatches` are.
            Then each of a user's items is at times predicted from those before it.
        mask_token: The item number that stands for a masked item.
        mask_ratio: RecBole's key: probability that an item is masked, in (0, 1].
        ft_ratio: RecBole's key: share of the rows with only the last item masked, in [0, 1].
        max_length: Items of a row at most; the oldest is dropped.
        generator: Random number generator of the draws.
    """

    def __init__(
        self,
        rows: Batches,
        cut: bool,
        mask_token: int,
        mask_ratio: float,
        ft_ratio: float,
        max_length: int,
        generator: torch.Generator,
    ) -> None:
        self.rows, self.cut, self.mask_token, self.max_length = rows, cut, mask_token, max_length
        self.mask_ratio, self.ft_ratio, self.generator = mask_ratio, ft_ratio, generator

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Batch]:
        for batch in self.rows:
            parts = tuple(self._hide(*self._events(items, targets)) for items, targets in batch.parts)
            yield Batch(parts, sum(int((targets > 0).sum()) for _, targets in parts))

    def _events(self, items: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Join the items of each row and its last target; return the items [B, L'] and their numbers [B]."""
        lengths = (items > 0).sum(1)
        return append_event(items, lengths, targets[torch.arange(len(items)), lengths - 1], self.max_length)

    def _hide(self, events: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the rows with masked items, and the masked items at their places, 0 elsewhere; both [B, L']."""
        draws = torch.rand(events.shape, generator=self.generator).masked_fill_(events == 0, 2)
        hidden = draws < self.mask_ratio
        # At least one item of each row is masked.
        hidden.scatter_(1, draws.argmin(1, keepdim=True), True)
        last_alone = torch.rand(len(events), 1, generator=self.generator) < self.ft_ratio
        last = (lengths - 1).unsqueeze(1)
        if self.cut:
            last = 1 + (torch.rand(len(events), 1, generator=self.generator) * last).long()
        places = torch.arange(events.shape[1])
        hidden = torch.where(last_alone, places == last, hidden)
        events = events.masked_fill(last_alone & (places > last), 0)
        return events.masked_fill(hidden, self.mask_token), events.masked_fill(~hidden, 0)


def append_event(
    items: torch.Tensor, lengths: torch.Tensor, event: torch.Tensor | int, max_length: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Append one item to each row; a full row loses its oldest item.

    Args:
        items: Padded with 0 on the right, at most ``max_length`` wide; int64, shape [B, L].
        lengths: Number of items of each row; int64, shape [B].
        event: The new item, of each row or of all; int64, shape [B].
        max_length: Items of a row at most.

    Returns:
        The rows, at most ``max_length`` wide, and their lengths.
    """
    rows = functional.pad(items, (0, 1))
    rows[torch.arange(len(rows), device=rows.device), lengths] = event
    full = (lengths >= max_length).long()
    columns = torch.arange(min(rows.shape[1], max_length), device=rows.device)
    return rows.gather(1, columns + full.unsqueeze(1)), lengths + 1 - full
