"""Event sequences without padding: one flat array and offsets, with targets as views into it."""

from dataclasses import dataclass

import numpy as np
import torch


@dataclass(frozen=True)
class Sequences:
    """The events of all users, user after user, each user's in the order of time.

    Attributes:
        items (torch.LongTensor): Item of each event; shape [E].
        offsets (torch.LongTensor): User ``u``'s events are ``items[offsets[u]:offsets[u + 1]]``; shape [U + 1].
    """

    items: torch.Tensor
    offsets: torch.Tensor

    @classmethod
    def from_events(cls, users, items, times=None):
        """Sorts events into sequences; events of one user at one time keep the order in which they are given.

        Args:
            users (array_like): User number of each event, from 0; shape [E].
            items (array_like): Item number of each event; shape [E].
            times (array_like, optional): Time of each event; shape [E]. None: already in the order of time.

        Returns:
            Sequences: One sequence for each user number up to the largest, empty ones included.
        """
        users, items = np.asarray(users, dtype=np.int64), np.asarray(items, dtype=np.int64)
        order = np.argsort(users, kind="stable") if times is None else np.lexsort((np.asarray(times), users))
        counts = np.bincount(users) if len(users) else np.zeros(0, dtype=np.int64)
        offsets = np.concatenate([[0], np.cumsum(counts)])
        return cls(torch.from_numpy(items[order]), torch.from_numpy(offsets))

    @property
    def n_events(self):
        """int: How many events there are."""
        return len(self.items)

    def lengths(self):
        """Returns the number of events of each user; shape [U]."""
        return self.offsets[1:] - self.offsets[:-1]


@dataclass(frozen=True)
class Targets:
    """Events to be predicted, each from the events of the same user before it.

    Attributes:
        sequences (Sequences): Where the events lie.
        starts (torch.LongTensor): Flat index of the first event of the target's user; shape [R].
        ends (torch.LongTensor): Flat index of the target itself; always larger than ``starts``; shape [R].
    """

    sequences: Sequences
    starts: torch.Tensor
    ends: torch.Tensor

    def __len__(self):
        return len(self.ends)

    @property
    def items(self):
        """torch.LongTensor: The items to be predicted; shape [R]."""
        return self.sequences.items[self.ends]

    def histories(self, rows, max_length):
        """Builds the padded histories of some targets, no longer than their longest.

        Args:
            rows (torch.LongTensor): Which targets; shape [B].
            max_length (int): Only this many of the latest events are given.

        Returns:
            tuple[torch.LongTensor, torch.LongTensor]: Items, 0 on the right where a history is shorter, shape [B, L];
            and lengths, shape [B].
        """
        ends = self.ends[rows]
        lengths = (ends - self.starts[rows]).clamp(max=max_length)
        return gather(self.sequences.items, ends - lengths, lengths), lengths

    def spans(self):
        """Joins the targets of each user, where they follow one another, into stretches of events.

        Returns:
            tuple[torch.LongTensor, torch.LongTensor]: For each stretch the flat index of its first target and one past
            its last target, in the order of the events; both of shape [S].
        """
        ends = torch.unique(self.ends)
        if len(ends) == 0:
            return ends, ends
        user_of = torch.bucketize(ends, self.sequences.offsets, right=True)
        breaks = (torch.diff(ends) != 1) | (torch.diff(user_of) != 0)
        first = torch.cat([torch.tensor([True]), breaks])
        last = torch.cat([breaks, torch.tensor([True])])
        return ends[first], ends[last] + 1


def gather(values, starts, lengths):
    """Copies stretches of a flat array into rows, 0 on the right where a row is shorter than the longest.

    Args:
        values (torch.Tensor): The flat array; shape [E].
        starts (torch.LongTensor): Where each stretch begins; shape [B].
        lengths (torch.LongTensor): How long it is; shape [B].

    Returns:
        torch.Tensor: Shape [B, L], L being the largest length.
    """
    width = int(lengths.max()) if len(lengths) else 0
    columns = torch.arange(width)
    inside = columns < lengths.unsqueeze(1)
    index = (starts.unsqueeze(1) + columns).masked_fill_(~inside, 0)
    return values[index].masked_fill_(~inside, 0)
