"""Rows of one target each, some drawn from every user (PRECISE, Targeted Training)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from recbole_idp.data.rows import Batch, after_last

if TYPE_CHECKING:
    from collections.abc import Iterator

    from recbole_idp.data.sequences import Targets


@dataclass(frozen=True)
class UserBatch(Batch):
    """A batch whose rows have one target each, after their last event.

    Attributes:
        users: A number of each row's user; int64, shape [B].
    """

    users: torch.Tensor

    def to(self, device: str | torch.device) -> UserBatch:
        """Return the batch on another device."""
        moved = super().to(device)
        return UserBatch(moved.parts, moved.n_targets, self.users.to(device))

    def row_users(self) -> torch.Tensor:
        """Return a number of each row's user; shape [B]."""
        return self.users


class DrawnTargets:
    """Targets drawn again each epoch, equally many of each user, or all where one has fewer.

    Args:
        targets: What to predict.
        max_length: Largest number of events of a history.
        batch_size: Number of rows in a batch, about.
        per_user: Largest number of a user's rows in an epoch.
        generator: The source of the draws.
    """

    def __init__(
        self, targets: Targets, max_length: int, batch_size: int, per_user: int, generator: torch.Generator
    ) -> None:
        self.targets, self.max_length, self.per_user = targets, max_length, per_user
        self.batch_size, self.generator = batch_size, generator
        _, self.user = targets.starts.unique(return_inverse=True)
        self.n_targets = int(self.user.bincount().clamp(max=per_user).sum()) if len(targets) else 0

    def __len__(self) -> int:
        return max(1, round(self.n_targets / self.batch_size))

    def _drawn(self) -> torch.Tensor:
        """Return the drawn targets in random order."""
        order = torch.randperm(len(self.targets), generator=self.generator)
        by_user = order[torch.argsort(self.user[order], stable=True)]
        counts = self.user.bincount()
        place = torch.arange(len(by_user)) - (counts.cumsum(0) - counts).repeat_interleave(counts)
        drawn = by_user[place < self.per_user]
        return drawn[torch.randperm(len(drawn), generator=self.generator)]

    def __iter__(self) -> Iterator[UserBatch]:
        # Batches of equal size: users are contrasted within a batch, and a small remainder would have few.
        for rows in self._drawn().tensor_split(len(self)):
            items, lengths = self.targets.histories(rows, self.max_length)
            target_items = after_last(items, lengths, self.targets.items[rows])
            yield UserBatch(((items, target_items),), len(rows), self.user[rows])
