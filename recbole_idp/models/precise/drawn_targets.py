"""Rows of one target each, some drawn from every user (PRECISE, Targeted Training)."""

from dataclasses import dataclass

import torch

from recbole_idp.data.rows import Batch, after_last


@dataclass(frozen=True)
class UserBatch(Batch):
    """A batch whose rows have one target each, after their last event.

    Attributes:
        users (torch.LongTensor): A number of each row's user; shape [B].
    """

    users: torch.Tensor

    def to(self, device):
        """Returns the batch on another device."""
        moved = super().to(device)
        return UserBatch(moved.parts, moved.n_targets, self.users.to(device))

    def row_users(self) -> torch.Tensor:
        """Return a number of each row's user; shape [B]."""
        return self.users


class DrawnTargets:
    """Targets drawn anew each epoch, as many of each user, or all where one has fewer.

    Args:
        targets (Targets): What to predict.
        max_length (int): Events of a history at most.
        batch_size (int): Rows in a batch, about.
        per_user (int): Rows of a user in an epoch at most.
        generator (torch.Generator): The source of the draws.
    """

    def __init__(self, targets, max_length, batch_size, per_user, generator):
        self.targets, self.max_length, self.per_user = targets, max_length, per_user
        self.batch_size, self.generator = batch_size, generator
        _, self.user = targets.starts.unique(return_inverse=True)
        self.n_targets = int(self.user.bincount().clamp(max=per_user).sum()) if len(targets) else 0

    def __len__(self):
        return max(1, round(self.n_targets / self.batch_size))

    def _drawn(self):
        """Returns the drawn targets in random order."""
        order = torch.randperm(len(self.targets), generator=self.generator)
        by_user = order[torch.argsort(self.user[order], stable=True)]
        counts = self.user.bincount()
        place = torch.arange(len(by_user)) - (counts.cumsum(0) - counts).repeat_interleave(counts)
        drawn = by_user[place < self.per_user]
        return drawn[torch.randperm(len(drawn), generator=self.generator)]

    def __iter__(self):
        # Batches of equal size: users are contrasted within a batch, and a small remainder would have few.
        for rows in self._drawn().tensor_split(len(self)):
            items, lengths = self.targets.histories(rows, self.max_length)
            wanted = after_last(items, lengths, self.targets.items[rows])
            yield UserBatch(((items, wanted),), len(rows), self.user[rows])
