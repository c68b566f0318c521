"""Make batches for training: trimmed to their longest row, rows of like length together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import torch

from recbole_idp.data.sequences import Targets, gather

# A batch whose rows differ much in length is encoded in this many parts at most, each trimmed to its own longest row.
PARTS = 8


def parts_of_like_length(lengths: torch.Tensor) -> list[torch.Tensor]:
    """Split rows into at most ``PARTS`` parts of like length, with the least padding that so many parts can have.

    Args:
        lengths: Length of each row; int64, shape [B].

    Returns:
        The rows of each part, the shortest first; rows of one length keep their order.
    """
    upto = torch.cumsum(torch.bincount(lengths), 0).double()
    sizes = torch.arange(len(upto))
    # Cells of a part whose rows are longer than one length and at most as long as another; 0 for equal lengths.
    cells = (upto - upto.unsqueeze(1)) * sizes
    cells.masked_fill_(sizes < sizes.unsqueeze(1), torch.inf)
    least, cuts = cells[0], []
    for _ in range(PARTS - 1):
        least, cut = (least.unsqueeze(1) + cells).min(0)
        cuts.append(cut)
    ends = [len(upto) - 1]
    for cut in reversed(cuts):
        ends.append(int(cut[ends[-1]]))
    bounds = [0, *(int(upto[end]) for end in reversed(ends))]
    order = torch.argsort(lengths, stable=True)
    return [order[first:last] for first, last in pairwise(bounds) if first < last]


@dataclass(frozen=True)
class Batch:
    """Input of one training step: rows of items, in parts of like length.

    Attributes:
        parts: For each part the input items, padded with 0 on the right, and the target item of each position, 0 where
            there is none; both int64, shape [B, L].
        n_targets: Number of positions with a target.
    """

    parts: tuple[tuple[torch.Tensor, torch.Tensor], ...]
    n_targets: int

    def to(self, device: str | torch.device) -> Batch:
        """Return the batch on another device."""
        return Batch(tuple((items.to(device), targets.to(device)) for items, targets in self.parts), self.n_targets)

    def row_users(self) -> torch.Tensor:
        """Return the number of each row's user, part after part; shape [B]. Here each row is another user's."""
        n_rows = sum(len(items) for items, _ in self.parts)
        return torch.arange(n_rows, device=self.parts[0][0].device)


class Batches(Protocol):
    """The batches of one pass over the training data, drawn again on each iteration; their ``len`` is approximate."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Batch]: ...


class PositionBatches:
    """One row for each user, with a target at every position.

    The sequence of a user with more than ``max_length`` events is cut into adjacent windows, so that every target is
    used once an epoch. The place of the first cut is drawn again each epoch.

    Args:
        targets: The targets.
        max_length: Positions of a row at most.
        batch_size: Approximate number of targets in a batch (RecBole's ``train_batch_size``).
        generator: Random number generator of the order and the cuts.
    """

    def __init__(self, targets: Targets, max_length: int, batch_size: int, generator: torch.Generator) -> None:
        self.sequences, self.max_length = targets.sequences, max_length
        self.batch_size, self.generator = batch_size, generator
        self.firsts, self.lasts = targets.spans()
        is_target = torch.zeros(targets.sequences.n_events, dtype=torch.bool)
        is_target[targets.ends] = True
        self.target_items = targets.sequences.items.masked_fill(~is_target, 0)
        self.targets_before = torch.cat([torch.zeros(1, dtype=torch.long), is_target.cumsum(0)])
        user = torch.bucketize(self.firsts, self.sequences.offsets, right=True) - 1
        self.user_starts = self.sequences.offsets[user]
        self.n_targets = len(torch.unique(targets.ends))

    def __len__(self) -> int:
        return _batch_count(self.n_targets, self.batch_size)

    def _windows(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Cut the stretches of events from a first to a last target into windows.

        Returns:
            The first event of each window that may be a target, one past its last, and the number of its stretch.
        """
        sizes = self.lasts - self.firsts
        long = sizes > self.max_length
        shift = torch.randint(0, self.max_length, sizes.shape, generator=self.generator)
        # The first window of a long stretch is as long as its drawn shift, the others are whole.
        lead = torch.where(long, shift, torch.zeros_like(shift))
        counts = torch.where(lead > 0, 1, 0) + (sizes - lead + self.max_length - 1) // self.max_length
        stretch = torch.repeat_interleave(torch.arange(len(sizes)), counts)
        number = torch.arange(len(stretch)) - (torch.cumsum(counts, 0) - counts)[stretch]
        offset = torch.where(lead > 0, lead - self.max_length, torch.zeros_like(lead))[stretch]
        begin = self.firsts[stretch] + offset + number * self.max_length
        end = torch.minimum(begin + self.max_length, self.lasts[stretch])
        return torch.maximum(begin, self.firsts[stretch]), end, stretch

    def __iter__(self) -> Iterator[Batch]:
        begin, end, stretch = self._windows()
        weight = self.targets_before[end] - self.targets_before[begin]
        if not bool((weight > 0).all()):
            # Where histories are mixed, a window may hold history items alone.
            begin, end, stretch, weight = (values[weight > 0] for values in (begin, end, stretch, weight))
        size = end - begin
        # The events before the first target of a window are its context, as far as the row has room.
        context = torch.minimum(begin - self.user_starts[stretch], self.max_length - size + 1)
        start, length = begin - context, context + size - 1
        shuffled = torch.randperm(len(start), generator=self.generator)
        for rows in _bucketed(shuffled, length, weight, self.batch_size, self.generator):
            lengths = length[rows]
            items = gather(self.sequences.items, start[rows], lengths)
            targets = gather(self.target_items, start[rows] + 1, lengths)
            if int(size[rows].sum()) < int(lengths.sum()):
                skipped = torch.arange(items.shape[1]) < (context[rows] - 1).unsqueeze(1)
                targets.masked_fill_(skipped, 0)
            yield Batch(((items, targets),), int(weight[rows].sum()))


class PrefixBatches:
    """RecBole's rows: one row for each target, with the events before it, and the loss at the last position only.

    Args:
        targets: The targets.
        max_length: Positions of a row at most.
        batch_size: Rows in a batch (RecBole's ``train_batch_size``).
        generator: Random number generator of the order.
    """

    def __init__(self, targets: Targets, max_length: int, batch_size: int, generator: torch.Generator) -> None:
        self.targets, self.max_length = targets, max_length
        self.batch_size, self.generator = batch_size, generator
        self.n_targets = len(targets)

    def __len__(self) -> int:
        return -(-self.n_targets // self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        # The order is a plain shuffle as in RecBole: rows of like length are put together within a batch only, since
        # anything else would change which targets share a step.
        lengths = (self.targets.ends - self.targets.starts).clamp(max=self.max_length)
        for rows in torch.randperm(self.n_targets, generator=self.generator).split(self.batch_size):
            parts = parts_of_like_length(lengths[rows])
            yield Batch(tuple(self._part(rows[part]) for part in parts), len(rows))

    def _part(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the input items and the targets of some rows; both of shape [B, L]."""
        items, lengths = self.targets.histories(rows, self.max_length)
        return items, after_last(items, lengths, self.targets.items[rows])


def after_last(items: torch.Tensor, lengths: torch.Tensor, target_items: torch.Tensor) -> torch.Tensor:
    """Make the targets of rows that have one target each, after their last event.

    Args:
        items: Padded with 0 on the right; int64, shape [B, L].
        lengths: Length of each row; int64, shape [B].
        target_items: The target item of each row; int64, shape [B].

    Returns:
        The target at the last event, 0 elsewhere; int64, shape [B, L].
    """
    return torch.zeros_like(items).scatter_(1, lengths.unsqueeze(1) - 1, target_items.unsqueeze(1))


def _bucketed(
    order: torch.Tensor,
    lengths: torch.Tensor,
    weights: torch.Tensor,
    batch_weight: int,
    generator: torch.Generator,
    pool: int = 32,
) -> Iterator[torch.Tensor]:
    """Split rows into batches of like length.

    Rows are sorted within pools of some batches; then the batches are shuffled.

    Args:
        order: Rows in random order; int64, shape [R].
        lengths: Length of each row; int64, shape [R].
        weights: Weight of each row in its batch; int64, shape [R].
        batch_weight: Approximate weight of a batch.
        generator: Random number generator of the order of the batches.
        pool: Number of batches that are sorted together.

    Yields:
        The rows of a batch; int64.
    """
    pool_of = (torch.cumsum(weights[order], 0) - 1) // (batch_weight * pool)
    by_length = torch.argsort(lengths[order], stable=True)
    order = order[by_length[torch.argsort(pool_of[by_length], stable=True)]]
    cumulative = torch.cumsum(weights[order], 0)
    # Batches of equal weight: the last one would otherwise be a remainder with a noisy gradient.
    total = int(cumulative[-1]) if len(order) else 0
    count = _batch_count(total, batch_weight)
    batch_of = ((cumulative - 1) * count).div(max(total, 1), rounding_mode="floor")
    sizes = torch.bincount(batch_of)
    batches = order.split(sizes[sizes > 0].tolist()) if len(order) else []
    for number in torch.randperm(len(batches), generator=generator).tolist():
        yield batches[number]


def _batch_count(weight: int, batch_weight: int) -> int:
    """Return the number of batches of equal weight that comes nearest to the wanted weight of a batch."""
    return max(1, round(weight / batch_weight))


class Passes:
    """An epoch of several passes over batches: as many as fit in a number of steps, at least one.

    With 10 % of a small target's users a pass has two or three steps. Early stopping that validates after each of them
    would end the training too soon.

    Args:
        batches: The batches of one pass.
        steps: Steps at most of an epoch that has more than one pass.
    """

    def __init__(self, batches: Batches, steps: int) -> None:
        self.batches, self.count = batches, max(1, steps // max(1, len(batches)))

    def __len__(self) -> int:
        return self.count * len(self.batches)

    def __iter__(self) -> Iterator[Batch]:
        for _ in range(self.count):
            yield from self.batches
