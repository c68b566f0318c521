"""Batches of sequences with two views of each, for CLUE's pre-training (ICDM 2021)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from recbole_idp.data.sequences import gather
from recbole_idp.errors import UserError
from recbole_idp.models.clue.heads import LEAST_ROWS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from recbole_idp.data.sequences import Sequences
    from recbole_idp.models.clue.views import View


@dataclass(frozen=True)
class ViewPair:
    """Two views of the same sequences. B rows, L positions.

    Attributes:
        first: Items, 0 for padding on the right; int64, shape [B, L].
        second: The same of the other view, of a width of its own.
        n_targets: Number of sequences, B.
    """

    first: torch.Tensor
    second: torch.Tensor
    n_targets: int

    def to(self, device: str | torch.device) -> ViewPair:
        """Return the batch on another device."""
        return ViewPair(self.first.to(device), self.second.to(device), self.n_targets)


class ViewPairs:
    """One row for each user with two events or more, and two views of each, drawn again each epoch.

    No batch has less than two rows, as batch normalisation needs them.

    Args:
        sequences: The events of all users.
        max_length: The latest events of a user that are read.
        view: Draws a view.
        share: Share of the events that a view changes.
        batch_size: Approximate number of rows in a batch.
        generator: Source of all draws.

    Raises:
        UserError: There are less than two users to compare.
    """

    def __init__(
        self,
        sequences: Sequences,
        max_length: int,
        view: View,
        share: float,
        batch_size: int,
        generator: torch.Generator,
    ) -> None:
        self.items, self.view, self.share, self.generator = sequences.items, view, share, generator
        lengths = sequences.lengths()
        users = (lengths > 1).nonzero().squeeze(1)
        if len(users) < LEAST_ROWS:
            raise UserError(f"the sources have {len(users)} user of two events or more: name sources with more users")
        self.lengths = lengths[users].clamp(max=max_length)
        self.starts = sequences.offsets[users + 1] - self.lengths
        self.count = min(max(1, round(len(users) / batch_size)), len(users) // LEAST_ROWS)

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[ViewPair]:
        for rows in torch.randperm(len(self.starts), generator=self.generator).tensor_split(self.count):
            items = gather(self.items, self.starts[rows], self.lengths[rows])
            first, second = (self.view(items, self.share, self.generator) for _ in range(2))
            yield ViewPair(first, second, len(rows))
