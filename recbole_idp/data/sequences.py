"""Event sequences without padding: one flat array and offsets, with targets as views into it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from recbole_idp.data.ordering import order_by, stable_order

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Sequences:
    """The events of all users, user after user, those of each user in the order of time.

    In a part of a split that is given event by event, a user may have no sequence, or several.

    Attributes:
        items: Item of each event; int64, shape [E].
        offsets: User ``u``'s events are ``items[offsets[u]:offsets[u + 1]]``; int64, shape [U + 1].
    """

    items: torch.Tensor
    offsets: torch.Tensor

    @classmethod
    def from_events(cls, users: ArrayLike, items: ArrayLike, times: ArrayLike | None = None) -> Sequences:
        """Sort events into sequences; events of one user at one time keep the order in which they are given.

        Args:
            users: User number of each event, from 0; shape [E].
            items: Item number of each event; shape [E].
            times: Time of each event; shape [E]. By default the events are already in the order of time.

        Returns:
            One sequence for each user number up to the largest, empty ones included.
        """
        users, items = np.asarray(users, dtype=np.int64), np.asarray(items, dtype=np.int64)
        order = stable_order(users) if times is None else order_by(users, np.asarray(times))
        counts = np.bincount(users) if len(users) else np.zeros(0, dtype=np.int64)
        offsets = np.concatenate([[0], np.cumsum(counts)])
        return cls(torch.from_numpy(items[order]), torch.from_numpy(offsets))

    @property
    def n_events(self) -> int:
        """The number of events."""
        return len(self.items)

    def lengths(self) -> torch.Tensor:
        """Return the number of events of each user; shape [U]."""
        return self.offsets[1:] - self.offsets[:-1]


@dataclass(frozen=True)
class Targets:
    """Events to predict, each from the events of the same user before it.

    Attributes:
        sequences: The events.
        starts: Flat index of the first event of the target's user; int64, shape [R].
        ends: Flat index of the target itself; always larger than ``starts``; int64, shape [R].
    """

    sequences: Sequences
    starts: torch.Tensor
    ends: torch.Tensor

    def __len__(self) -> int:
        return len(self.ends)

    @property
    def items(self) -> torch.Tensor:
        """The items to predict; int64, shape [R]."""
        return self.sequences.items[self.ends]

    def item_counts(self, n_items: int) -> np.ndarray:
        """Count the events of each item: the targets, and the first events of their users; int64, shape [N]."""
        events = torch.cat([self.ends, torch.unique(self.starts)])
        return np.bincount(self.sequences.items[events].numpy(), minlength=n_items)

    def histories(self, rows: torch.Tensor, max_length: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Build the histories of some targets, padded to the longest of them.

        Args:
            rows: Numbers of the targets; int64, shape [B].
            max_length: Number of the latest events to return at most.

        Returns:
            Items, padded with 0 on the right, int64, shape [B, L]; and lengths, int64, shape [B].
        """
        ends = self.ends[rows]
        lengths = (ends - self.starts[rows]).clamp(max=max_length)
        return gather(self.sequences.items, ends - lengths, lengths), lengths

    def covered(self) -> torch.Tensor:
        """Return which events are targets, or stand before a target in one of its histories; bool, shape [E]."""
        bounds = torch.zeros(self.sequences.n_events + 1, dtype=torch.long)
        one = torch.ones_like(self.starts)
        bounds.scatter_add_(0, self.starts, one).scatter_add_(0, self.ends + 1, -one)
        return bounds[:-1].cumsum(0) > 0

    def spans(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Join the targets of each user into a stretch of events, in which other events may stand.

        Returns:
            For each stretch the flat index of its first target, and one past that of its last target, in the order of
            the events; both int64, shape [S].
        """
        ends = torch.unique(self.ends)
        if len(ends) == 0:
            return ends, ends
        user_of = torch.bucketize(ends, self.sequences.offsets, right=True)
        breaks = torch.diff(user_of) != 0
        first = torch.cat([torch.tensor([True]), breaks])
        last = torch.cat([breaks, torch.tensor([True])])
        return ends[first], ends[last] + 1


def positions(users: np.ndarray) -> np.ndarray:
    """Return the position of each event among those of its user, which stand together; int64, shape [E]."""
    starts = np.flatnonzero(np.r_[True, users[1:] != users[:-1]]) if len(users) else np.zeros(0, dtype=int)
    lengths = np.diff(np.r_[starts, len(users)])
    return np.arange(len(users)) - np.repeat(starts, lengths)


def gather(values: torch.Tensor, starts: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """Copy stretches of a flat array into rows, padded with 0 on the right.

    Args:
        values: The flat array; shape [E].
        starts: Index at which each stretch begins; int64, shape [B].
        lengths: Length of each stretch; int64, shape [B].

    Returns:
        Shape [B, L], L being the largest length.
    """
    width = int(lengths.max()) if len(lengths) else 0
    columns = torch.arange(width)
    inside = columns < lengths.unsqueeze(1)
    index = (starts.unsqueeze(1) + columns).masked_fill_(~inside, 0)
    return values[index].masked_fill_(~inside, 0)
