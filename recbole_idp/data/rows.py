"""Batches for training: trimmed to their longest row, rows of like length together."""

from dataclasses import dataclass
from itertools import pairwise

import torch

from recbole_idp.data.sequences import gather

# A batch whose rows differ much in length is encoded in this many parts at most, each trimmed to its own longest row.
PARTS = 8


def parts_of_like_length(lengths):
    """Splits rows into parts of like length so that trimmed parts have as little padding as so many can have.

    Args:
        lengths (torch.LongTensor): Length of each row; shape [B].

    Returns:
        list[torch.LongTensor]: The rows of each part, the shortest first, rows of one length in their order.
    """
    upto = torch.cumsum(torch.bincount(lengths), 0).double()
    sizes = torch.arange(len(upto))
    # What a part takes whose rows are longer than one length and at most as long as another; of equal lengths nothing.
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
    """One step's input: rows of events, in parts of like length.

    Attributes:
        parts (tuple[tuple[torch.LongTensor, torch.LongTensor], ...]): For each part the input items, 0 for padding on
            the right, and the item to be predicted at each position, 0 where there is none; both of shape [B, L].
        n_targets (int): How many positions have a target.
    """

    parts: tuple
    n_targets: int

    def to(self, device):
        """Return the batch on another device."""
        return Batch(tuple((items.to(device), targets.to(device)) for items, targets in self.parts), self.n_targets)

    def row_users(self) -> torch.Tensor:
        """Return a number of each row's user, part after part; shape [B]. Here each row is another user's."""
        n_rows = sum(len(items) for items, _ in self.parts)
        return torch.arange(n_rows, device=self.parts[0][0].device)


class PositionBatches:
    """One row for each user, a target at every position: each event is read once an epoch.

    A user with more than ``max_length`` events is cut into windows that meet end to end, so that every target is seen
    once an epoch; where the first cut falls is drawn anew each epoch.

    Args:
        targets (Targets): What to predict.
        max_length (int): Positions of a row at most.
        batch_size (int): Targets in a batch, about (RecBole's ``train_batch_size``).
        generator (torch.Generator): The source of the order.
    """

    def __init__(self, targets, max_length, batch_size, generator):
        self.sequences, self.max_length = targets.sequences, max_length
        self.batch_size, self.generator = batch_size, generator
        self.firsts, self.lasts = targets.spans()
        user = torch.bucketize(self.firsts, self.sequences.offsets, right=True) - 1
        self.user_starts = self.sequences.offsets[user]
        self.n_targets = len(torch.unique(targets.ends))

    def __len__(self):
        return _batch_count(self.n_targets, self.batch_size)

    def _windows(self):
        """Cuts the stretches of targets into windows; returns the first and one past the last target of each."""
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

    def __iter__(self):
        begin, end, stretch = self._windows()
        size = end - begin
        # What lies before the first target of a window is its context, as far as the row has room.
        context = torch.minimum(begin - self.user_starts[stretch], self.max_length - size + 1)
        start, length = begin - context, context + size - 1
        shuffled = torch.randperm(len(start), generator=self.generator)
        for rows in _bucketed(shuffled, length, size, self.batch_size, self.generator):
            lengths = length[rows]
            items = gather(self.sequences.items, start[rows], lengths)
            targets = gather(self.sequences.items, start[rows] + 1, lengths)
            n_targets = int(size[rows].sum())
            if n_targets < int(lengths.sum()):
                skipped = torch.arange(items.shape[1]) < (context[rows] - 1).unsqueeze(1)
                targets.masked_fill_(skipped, 0)
            yield Batch(((items, targets),), n_targets)


class PrefixBatches:
    """RecBole's rows: each target apart, with the events before it, the loss at the last position only.

    Args:
        targets (Targets): What to predict.
        max_length (int): Positions of a row at most.
        batch_size (int): Rows in a batch (RecBole's ``train_batch_size``).
        generator (torch.Generator): The source of the order.
    """

    def __init__(self, targets, max_length, batch_size, generator):
        self.targets, self.max_length = targets, max_length
        self.batch_size, self.generator = batch_size, generator
        self.n_targets = len(targets)

    def __len__(self):
        return -(-self.n_targets // self.batch_size)

    def __iter__(self):
        # The order is a plain shuffle as in RecBole: rows of like length are put together within a batch only, since
        # anything else would change which targets share a step.
        lengths = (self.targets.ends - self.targets.starts).clamp(max=self.max_length)
        for rows in torch.randperm(self.n_targets, generator=self.generator).split(self.batch_size):
            parts = parts_of_like_length(lengths[rows])
            yield Batch(tuple(self._part(rows[part]) for part in parts), len(rows))

    def _part(self, rows):
        items, lengths = self.targets.histories(rows, self.max_length)
        return items, after_last(items, lengths, self.targets.items[rows])


def after_last(items, lengths, wanted):
    """Makes the targets of rows that have one each, after their last event.

    Args:
        items (torch.LongTensor): Padded with 0 on the right; shape [B, L].
        lengths (torch.LongTensor): Shape [B].
        wanted (torch.LongTensor): The item to be predicted; shape [B].

    Returns:
        torch.LongTensor: The wanted item at the last event, 0 elsewhere; shape [B, L].
    """
    return torch.zeros_like(items).scatter_(1, lengths.unsqueeze(1) - 1, wanted.unsqueeze(1))


def _bucketed(order, lengths, weights, batch_weight, generator, pool=32):
    """Splits rows into batches of like length: sorted within pools of some batches, the batches then shuffled.

    Args:
        order (torch.LongTensor): Rows in random order; shape [R].
        lengths (torch.LongTensor): Length of each row; shape [R].
        weights (torch.LongTensor): What each row adds to its batch; shape [R].
        batch_weight (int): Weight of a batch, about.
        generator (torch.Generator): The source of the order of the batches.
        pool (int): Batches that are sorted together.

    Yields:
        torch.LongTensor: The rows of a batch.
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


def _batch_count(weight, batch_weight):
    """Returns how many batches of like weight come nearest to the wanted weight of a batch."""
    return max(1, round(weight / batch_weight))


class Passes:
    """An epoch of several passes over batches: as many as fit in a number of steps, at least one.

    With 10 % of a small target's users a pass has two or three steps. To validate after each, and to stop after some
    without a better validation, would end training before it has begun.

    Args:
        batches (PositionBatches | PrefixBatches): One pass.
        steps (int): How many steps an epoch of more than one pass has at most.
    """

    def __init__(self, batches, steps):
        self.batches, self.count = batches, max(1, steps // max(1, len(batches)))

    def __len__(self):
        return self.count * len(self.batches)

    def __iter__(self):
        for _ in range(self.count):
            yield from self.batches
