"""Rows for contrastive pre-training, each with a second view of its events up to a drawn position."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from recbole_idp.data.rows import Batch
from recbole_idp.data.views import without

if TYPE_CHECKING:
    from collections.abc import Iterator

    from recbole_idp.data.rows import PositionBatches


@dataclass(frozen=True)
class ViewBatch(Batch):
    """A batch whose rows have second views. B rows, L' positions of the longest view.

    Attributes:
        cuts: The position at which each row's first view ends, which has a target; int64, shape [B].
        views: Items of the second view, 0 for padding on the right; int64, shape [B, L'].
        reworded: Which of these items have some of their words dropped; bool, shape [B, L'].
    """

    cuts: torch.Tensor
    views: torch.Tensor
    reworded: torch.Tensor

    def to(self, device: str | torch.device) -> ViewBatch:
        """Return the batch on another device."""
        moved = super().to(device)
        others = (part.to(device) for part in (self.cuts, self.views, self.reworded))
        return ViewBatch(moved.parts, moved.n_targets, *others)


class ViewBatches:
    """Add a second view to each row, drawn again each epoch (UniSRec, item drop and word drop).

    A row's first view ends at one of its targets, drawn uniformly. In the second either items are dropped, never the
    first one, or words of items.

    Args:
        rows: Batches of one part.
        item_drop_coefficient: Probability that a row drops items; otherwise it drops words.
        item_drop_ratio: Probability that an item is dropped, or loses words.
        generator: The source of the draws.
    """

    def __init__(
        self, rows: PositionBatches, item_drop_coefficient: float, item_drop_ratio: float, generator: torch.Generator
    ) -> None:
        self.rows, self.generator = rows, generator
        self.item_drop_coefficient, self.item_drop_ratio = item_drop_coefficient, item_drop_ratio

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[ViewBatch]:
        for batch in self.rows:
            ((items, targets),) = batch.parts
            cuts = torch.multinomial((targets > 0).float(), 1, generator=self.generator).squeeze(1)
            views, reworded = self._second_views(items, cuts)
            yield ViewBatch(batch.parts, batch.n_targets, cuts, views, reworded)

    def _second_views(self, items: torch.Tensor, cuts: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Draw what is left of the events up to each cut; return items and which of them lose words."""
        places = torch.arange(items.shape[1])
        events = items.masked_fill(places > cuts.unsqueeze(1), 0)
        drawn = torch.rand(items.shape, generator=self.generator) < self.item_drop_ratio
        drops_items = torch.rand(len(items), 1, generator=self.generator) < self.item_drop_coefficient
        dropped = drawn & drops_items & (places > 0)
        views, reworded = without(events, dropped, drawn & ~drops_items)
        return views, reworded
