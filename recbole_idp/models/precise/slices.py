"""Events cut by global time into slices, in which items are numbered in the order of their publication."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch

from recbole_idp.data.domains import TargetLoader, number_users, read_domain, source_events
from recbole_idp.data.sequences import Sequences, Targets
from recbole_idp.data.splits import only_places
from recbole_idp.errors import UserError
from recbole_idp.models.precise.keys import WarmUpSettings
from recbole_idp.models.precise.targeted_data import targeted_config

if TYPE_CHECKING:
    from collections.abc import Sequence

    from recbole.config import Config

    from recbole_idp.data.catalog import DatasetLocation
    from recbole_idp.data.domains import DomainEvents


@dataclass(frozen=True)
class Stream:
    """The events of users and the slice of each. E events, U users, N items with padding.

    Items are numbered by the slice that they first appear in, so that those published by the end of a slice have the
    first numbers.

    Attributes:
        sequences: All events, user after user, each user's in the order of time.
        slices: Slice of each event; int64, shape [E].
        items: Domain number and id of each item, padding first; length N.
        first: Slice that each item first appears in, ascending, -1 for padding; shape [N].
    """

    sequences: Sequences
    slices: torch.Tensor
    items: list[tuple[int, str]]
    first: np.ndarray

    def n_items(self, last: int) -> int:
        """Return how many items, padding included, are published by the end of a slice."""
        return int(np.searchsorted(self.first, last, side="right"))

    def until(self, last: int, n_items: int | None = None) -> Stream:
        """Drop the events of later slices, and those of items with higher numbers.

        Args:
            last: The latest slice that is kept.
            n_items: Number of items that are kept, padding included; None: all.

        Returns:
            The same users and item numbers.
        """
        kept = self.slices <= last
        if n_items is not None:
            kept &= self.sequences.items < n_items
        before = torch.cat([torch.zeros(1, dtype=torch.long), kept.cumsum(0)])
        sequences = Sequences(self.sequences.items[kept], before[self.sequences.offsets])
        return Stream(sequences, self.slices[kept], self.items, self.first)

    def targets(self, first: int, last: int) -> Targets:
        """Return the events of slices ``first`` to ``last`` that have one of the same user before them, as Targets."""
        starts = torch.repeat_interleave(self.sequences.offsets[:-1], self.sequences.lengths())
        chosen = (self.slices >= first) & (self.slices <= last) & (torch.arange(len(starts)) > starts)
        ends = chosen.nonzero().squeeze(1)
        return Targets(self.sequences, starts[ends], ends)


@dataclass(frozen=True)
class SlicedData:
    """The data of a replay: slice 0 is the first part, then follow K slices.

    Attributes:
        universal: All behaviour, that of the sources included; domain 0 is the target.
        targeted: The target's targeted events, and all of its items.
        edges: The time at which each slice from 1 on begins; length K.
        locations: Where the domains lie, the target first.
    """

    universal: Stream
    targeted: Stream
    edges: list[float]
    locations: list[DatasetLocation]

    @cached_property
    def rows(self) -> torch.Tensor:
        """The number of each of the target's items among the universal ones, padding first; int64, shape [N]."""
        row_of = {item: row for row, item in enumerate(self.universal.items)}
        return torch.tensor([row_of[item] for item in self.targeted.items])


def load_slices(config: Config, dataset: DatasetLocation) -> SlicedData:
    """Read target and sources and cut them into slices with equally many events of the target.

    Events of one time are never separated. A source's events after the last edge belong to the last slice, those before
    the first edge to the first.

    Args:
        config: With ``warm_up_start``, ``warm_up_slices``, ``source_domains`` and ``shared_users``.
        dataset: Where the target lies.

    Returns:
        Streams and edges.

    Raises:
        UserError: A dataset cannot be read, its timestamps are not times, or there are fewer of them than the slices
            need.
    """
    parts = [read_domain(config, dataset), *source_events(config, with_target=True)]
    for part in parts:
        check_times(part)
    target, targeted_only = parts[0], targeted_config(config)
    liked = target if targeted_only is config else read_domain(targeted_only, dataset)
    settings = WarmUpSettings.of(config)
    edges = slice_edges(target.times, settings.warm_up_start, settings.warm_up_slices, target.location.name)
    universal = _stream(parts, edges, config["shared_users"])
    targeted = _stream([liked], edges, None, known=target)
    counts = torch.bincount(targeted.slices, minlength=len(edges) + 1)
    if int(counts.min()) == 0 or len(targeted.until(0).targets(0, 0)) == 0:
        raise UserError(
            f"warm_up_slices {len(edges)} leaves a slice of {target.location.name} without targeted events: "
            "give fewer, or change warm_up_start"
        )
    return SlicedData(universal, targeted, edges.tolist(), [part.location for part in parts])


def check_times(events: DomainEvents) -> None:
    """Check that events of one dataset have times that can be compared between users.

    Raises:
        UserError: They do not.
    """
    name, times = events.location.name, events.times
    if not np.isfinite(times).all():
        raise UserError(f"{name} has a timestamp that is no finite number: correct it, a slice is a stretch of time")
    if only_places(events.users, times):
        raise UserError(
            f"the timestamps of {name} are no times but places in each user's history: warm-up needs a dataset with "
            "real times, such as ml-1m"
        )


def slice_edges(times: np.ndarray, start: float, count: int, name: str) -> np.ndarray:
    """Find where slices begin, so that they have equally many events.

    Args:
        times: Times of all events; shape [E].
        start: Share of the events before the first edge, about.
        count: Number of slices K.
        name: Name of the dataset.

    Returns:
        Ascending times; the slice of an event is the number of edges up to its time; shape [K].

    Raises:
        UserError: There are too few different times.
    """
    ordered = np.sort(times)
    shares = start + (1 - start) * np.arange(count) / count
    edges = ordered[(len(ordered) * shares).astype(np.int64)]
    if len(np.unique(edges)) < count or edges[0] == ordered[0]:
        raise UserError(
            f"warm_up_slices {count} is more than the {len(ordered):,} events of {name} at {len(np.unique(times)):,} "
            "times can be cut into: give fewer, or change warm_up_start"
        )
    return edges


def _stream(
    parts: Sequence[DomainEvents],
    edges: np.ndarray,
    shared_users: Sequence[Sequence[str]] | None,
    known: DomainEvents | None = None,
) -> Stream:
    """Build a stream of some domains.

    Args:
        parts: Their events.
        edges: Where slices begin; shape [K].
        shared_users: Names of domains whose user ids mean the same people.
        known: All events of the only domain, which decide on the numbers of its items; None: ``parts`` do.

    Returns:
        Their events.
    """
    numbers, first = _published([known] if known else parts, edges)
    items = [np.array([numbers.get((n, token), 0) for token in part.item_tokens]) for n, part in enumerate(parts)]
    times = np.concatenate([part.times for part in parts])
    users = np.concatenate(number_users(parts, shared_users))
    # Numbers of events take the place of items: what else is known of an event follows it.
    ordered = Sequences.from_events(users, np.arange(len(users)), times)
    of_events = np.concatenate([number[part.items] for number, part in zip(items, parts, strict=True)])
    return Stream(
        Sequences(torch.from_numpy(of_events)[ordered.items], ordered.offsets),
        torch.from_numpy(_slice_of(times, edges))[ordered.items],
        [(-1, "[PAD]"), *numbers],
        first,
    )


def _published(parts: Sequence[DomainEvents], edges: np.ndarray) -> tuple[dict[tuple[int, str], int], np.ndarray]:
    """Number the items of domains by the slice that they first appear in, those of one slice in their order.

    Returns:
        The number of each domain's item, in their order; and the slice of each number, padding first; shape [N].
    """
    items: list[tuple[int, str]] = []
    firsts = []
    for number, part in enumerate(parts):
        slices = np.full(len(part.item_tokens), len(edges) + 1)
        np.minimum.at(slices, part.items, _slice_of(part.times, edges))
        items += [(number, token) for token in part.item_tokens[1:]]
        firsts.append(slices[1:])
    first = np.concatenate(firsts)
    order = np.argsort(first, kind="stable")
    return {items[place]: number for number, place in enumerate(order, 1)}, np.r_[-1, first[order]]


def _slice_of(times: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return the slice of each time, 0 before the first edge; int64."""
    return np.searchsorted(edges, times, side="right").astype(np.int64)


class SliceLoader(TargetLoader):
    """Targets of a stream for a trainer.

    Args:
        targets: The targets.
        n_items: Number of items of the model, padding included.
    """

    def __init__(self, targets: Targets, n_items: int) -> None:
        super().__init__(_Published(n_items), targets)  # type: ignore[arg-type]  # a model reads no more of it


class _Published:
    """The part of a dataset that a model reads."""

    def __init__(self, n_items: int) -> None:
        self._n_items = n_items

    @property
    def n_inputs(self) -> int:
        """The number of items that stand in histories, padding included."""
        return self._n_items

    def num(self, field: str) -> int:
        """Return the number of items, whatever the field."""
        return self._n_items
