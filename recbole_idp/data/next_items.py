"""Rows with the next K items of a user, beside as many that the user has not seen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch.nn import functional

from recbole_idp.data.sequences import Targets, gather


@dataclass(frozen=True)
class NextItemsBatch:
    """Input of one training step. B rows, L positions, K next items, M others.

    Attributes:
        items: The events before a drawn place, padded with 0 on the right; int64, shape [B, L].
        following: The items from there on, 0 where there are no more; int64, shape [B, K].
        others: Items that the user has not seen, 0 where there are none; int64, shape [B, M].
        n_targets: Number of next items.
    """

    items: torch.Tensor
    following: torch.Tensor
    others: torch.Tensor
    n_targets: int

    def to(self, device: str | torch.device) -> NextItemsBatch:
        """Return the batch on another device."""
        return NextItemsBatch(self.items.to(device), self.following.to(device), self.others.to(device), self.n_targets)


class UnseenItems:
    """Draws items uniformly from those that stand in none of a row's own stretches of events.

    Args:
        rows: The row of each event; int64, shape [E].
        items: Its item, 0 for none; int64, shape [E].
        n_rows: Number of rows R.
        n_items: Number of items N, padding included.
    """

    def __init__(self, rows: torch.Tensor, items: torch.Tensor, n_rows: int, n_items: int) -> None:
        self._n_items = n_items
        own = torch.unique((rows * n_items + items)[items > 0])
        self._counts = torch.bincount(own // n_items, minlength=n_rows)
        self._first = torch.cumsum(self._counts, 0) - self._counts
        place = torch.arange(len(own)) - self._first[own // n_items]
        # How many unseen items, counted from item 1, come before each of a row's own.
        self._unseen_before = own - 1 - place

    def draw(self, rows: torch.Tensor, count: int, generator: torch.Generator) -> torch.Tensor:
        """Draw items for some rows.

        Args:
            rows: Their numbers; int64, shape [B].
            count: Items for each, M.
            generator: Source of the draws.

        Returns:
            With repetitions; 0 for rows that have seen everything; int64, shape [B, M].
        """
        unseen = (self._n_items - 1 - self._counts[rows]).unsqueeze(1)
        chance = torch.rand(len(rows), count, generator=generator, dtype=torch.float64)
        number = torch.minimum((chance * unseen).long(), unseen - 1)
        keys = rows.unsqueeze(1) * self._n_items + number
        skipped = torch.searchsorted(self._unseen_before, keys, right=True) - self._first[rows].unsqueeze(1)
        return (number + 1 + skipped).masked_fill(unseen == 0, 0)


class NextItemsBatches:
    """One row for each user: the events before a place that is drawn again each epoch, and the K items from there on.

    Users with fewer than K events after their first one have rows with fewer next items.

    Args:
        targets: The targets; next items are targets, and the others are drawn from the items outside the user's events
            up to the last target.
        max_length: Events of a history at most, the latest.
        n_following: Next items K of a row at most.
        n_others: Other items M of a row.
        n_items: Number of items N, padding included.
        batch_size: Rows in a batch (RecBole's ``train_batch_size``).
        generator: Random number generator of the order, the places and the other items.
    """

    def __init__(
        self,
        targets: Targets,
        max_length: int,
        n_following: int,
        n_others: int,
        n_items: int,
        batch_size: int,
        generator: torch.Generator,
    ) -> None:
        self.max_length, self.n_following, self.n_others = max_length, n_following, n_others
        self.batch_size, self.generator = batch_size, generator
        self.items = targets.sequences.items
        self.ends = torch.unique(targets.ends)
        is_target = torch.zeros(targets.sequences.n_events, dtype=torch.bool)
        is_target[self.ends] = True
        self.wanted = self.items.masked_fill(~is_target, 0)
        firsts, self.lasts = targets.spans()
        offsets = targets.sequences.offsets
        self.starts = offsets[torch.bucketize(firsts, offsets, right=True) - 1]
        # The targets of a row that may come first: those with K - 1 events behind them, or else all.
        self.lowest = torch.searchsorted(self.ends, firsts)
        highest = torch.searchsorted(self.ends, self.lasts - n_following + 1)
        self.choices = torch.where(highest > self.lowest, highest, torch.searchsorted(self.ends, self.lasts))
        self.choices -= self.lowest
        lengths = self.lasts - self.starts
        rows = torch.repeat_interleave(torch.arange(len(lengths)), lengths)
        within = torch.arange(len(rows)) - (torch.cumsum(lengths, 0) - lengths)[rows]
        self.unseen = UnseenItems(rows, self.items[self.starts[rows] + within], len(lengths), n_items)

    def __len__(self) -> int:
        return -(-len(self.starts) // self.batch_size)

    def __iter__(self) -> Iterator[NextItemsBatch]:
        chance = torch.rand(len(self.starts), generator=self.generator, dtype=torch.float64)
        places = self.ends[self.lowest + torch.minimum((chance * self.choices).long(), self.choices - 1)]
        for rows in torch.randperm(len(self.starts), generator=self.generator).split(self.batch_size):
            place = places[rows]
            history = (place - self.starts[rows]).clamp(max=self.max_length)
            following = gather(self.wanted, place, (self.lasts[rows] - place).clamp(max=self.n_following))
            yield NextItemsBatch(
                gather(self.items, place - history, history),
                functional.pad(following, (0, self.n_following - following.shape[1])),
                self.unseen.draw(rows, self.n_others, self.generator),
                int((following > 0).sum()),
            )
