"""Training rows of Recformer: one target of each user, drawn again each epoch."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from recbole_idp.data.rows import Batch, after_last
from recbole_idp.data.sequences import Targets


class DrawnTargets:
    """For each user one target, drawn uniformly, and the events before it.

    Targets have a history: the authors' code may draw the first event, whose history is empty.

    Args:
        targets: The targets.
        max_length: Events of a history at most.
        batch_size: Users in a batch, which are a random choice.
        generator: Random number generator of the order and the targets.
        skipped: Share of a user's targets, the earliest ones, that are never drawn.
    """

    def __init__(
        self, targets: Targets, max_length: int, batch_size: int, generator: torch.Generator, skipped: float = 0.0
    ) -> None:
        self.targets, self.max_length = targets, max_length
        self.batch_size, self.generator = batch_size, generator
        self.order = torch.argsort(targets.ends, stable=True)
        user = torch.bucketize(targets.ends[self.order], targets.sequences.offsets, right=True)
        _, self.counts = torch.unique_consecutive(user, return_counts=True)
        self.firsts = torch.cumsum(self.counts, 0) - self.counts
        self.lowest = (self.counts * skipped - 1).long().clamp(min=0)

    def __len__(self) -> int:
        return -(-len(self.counts) // self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        share = torch.rand(len(self.counts), generator=self.generator, dtype=torch.double)
        drawn = self.lowest + (share * (self.counts - self.lowest)).long()
        chosen = self.order[self.firsts + drawn]
        shuffled = chosen[torch.randperm(len(chosen), generator=self.generator)]
        for rows in shuffled.split(self.batch_size):
            items, lengths = self.targets.histories(rows, self.max_length)
            wanted = self.targets.items[rows]
            yield Batch(((items, after_last(items, lengths, wanted)),), len(rows))
