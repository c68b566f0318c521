"""Events cut by global time into slices, in which items are numbered in the order of their publication."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from recbole_idp.data.domains import TargetLoader, check_domains, number_users, read_domain
from recbole_idp.data.sequences import Sequences, Targets
from recbole_idp.errors import UserError
from recbole_idp.models.precise.targeted_data import targeted_config


@dataclass(frozen=True)
class Stream:
    """The events of users and the slice of each. E events, U users, N items with padding.

    Items are numbered by the slice that they first appear in: what is published by the end of a slice are the first
    numbers.

    Attributes:
        sequences (Sequences): All events, user after user, each user's in the order of time.
        slices (torch.LongTensor): Slice of each event; shape [E].
        items (list[tuple[int, str]]): Domain number and id of each item, padding first; length N.
        first (np.ndarray): Slice that each item first appears in, ascending, -1 for padding; shape [N].
    """

    sequences: Sequences
    slices: torch.Tensor
    items: list
    first: np.ndarray

    def n_items(self, last):
        """Returns how many items, padding included, are published by the end of a slice."""
        return int(np.searchsorted(self.first, last, side="right"))

    def until(self, last, n_items=None):
        """Forgets the events of later slices, and those of items that are numbered higher.

        Args:
            last (int): The latest slice that is kept.
            n_items (int, optional): Items that are kept, padding included; None: all.

        Returns:
            Stream: The same users and item numbers.
        """
        kept = self.slices <= last
        if n_items is not None:
            kept &= self.sequences.items < n_items
        before = torch.cat([torch.zeros(1, dtype=torch.long), kept.cumsum(0)])
        sequences = Sequences(self.sequences.items[kept], before[self.sequences.offsets])
        return Stream(sequences, self.slices[kept], self.items, self.first)

    def targets(self, first, last):
        """Returns the events of slices ``first`` to ``last`` that have one of the same user before them, as Targets."""
        starts = torch.repeat_interleave(self.sequences.offsets[:-1], self.sequences.lengths())
        wanted = (self.slices >= first) & (self.slices <= last) & (torch.arange(len(starts)) > starts)
        ends = wanted.nonzero().squeeze(1)
        return Targets(self.sequences, starts[ends], ends)


@dataclass(frozen=True)
class SlicedData:
    """What a replay reads: slice 0 is the first part, then follow K slices.

    Attributes:
        universal (Stream): All behaviour, that of the sources included; domain 0 is the target.
        targeted (Stream): The target's targeted events, and all of its items.
        edges (list[float]): The time at which each slice from 1 on begins; length K.
        locations (list[DatasetLocation]): Where the domains lie, the target first.
    """

    universal: Stream
    targeted: Stream
    edges: list
    locations: list

    @cached_property
    def rows(self):
        """torch.LongTensor: The number among the universal items of each of the target's, padding first; shape [N]."""
        row_of = {item: row for row, item in enumerate(self.universal.items)}
        return torch.tensor([row_of[item] for item in self.targeted.items])


def load_slices(config, dataset):
    """Reads target and sources and cuts them where the target's events reach equal parts.

    Events of one time are never parted. Later files of a source belong to the last slice, earlier ones to the first.

    Args:
        config (Config): With ``warm_up_start``, ``warm_up_slices``, ``source_domains`` and ``shared_users``.
        dataset (DatasetLocation): Where the target lies.

    Returns:
        SlicedData: Streams and edges.

    Raises:
        UserError: A dataset cannot be read, its times are none, or are fewer than the slices need.
    """
    locations = [dataset, *check_domains(config, with_target=True)]
    parts = [read_domain(config, location) for location in locations]
    for part in parts:
        check_times(part)
    target, targeted_only = parts[0], targeted_config(config)
    liked = target if targeted_only is config else read_domain(targeted_only, dataset)
    edges = slice_edges(target.times, config["warm_up_start"], config["warm_up_slices"], target.location.name)
    universal = _stream(parts, edges, config["shared_users"])
    targeted = _stream([liked], edges, None, known=target)
    counts = torch.bincount(targeted.slices, minlength=len(edges) + 1)
    if int(counts.min()) == 0 or len(targeted.until(0).targets(0, 0)) == 0:
        raise UserError(
            f"warm_up_slices {len(edges)} leaves a slice of {target.location.name} without targeted events: "
            "give fewer, or change warm_up_start"
        )
    return SlicedData(universal, targeted, edges.tolist(), locations)


def check_times(part):
    """Checks that events of one dataset have times that can be compared between users.

    Raises:
        UserError: They have not.
    """
    name, times = part.location.name, part.times
    if not np.isfinite(times).all():
        raise UserError(f"{name} has a timestamp that is no finite number: correct it, a slice is a stretch of time")
    counts = np.bincount(part.users)[np.unique(part.users)]
    order = np.lexsort((times, part.users))
    starts = np.cumsum(counts) - counts
    places = np.arange(len(times)) - np.repeat(starts, counts)
    if len(np.unique(times)) == 1 or np.array_equal(times[order] - times.min(), places):
        raise UserError(
            f"the timestamps of {name} are no times but places in each user's history: warm-up needs a dataset with "
            "real times, such as ml-1m"
        )


def slice_edges(times, start, count, name):
    """Finds where slices begin so that they have equally many events.

    Args:
        times (np.ndarray): Times of all events; shape [E].
        start (float): Share of the events that stands before the first edge, about.
        count (int): K.
        name (str): What the dataset is called.

    Returns:
        np.ndarray: Ascending times; an event belongs to as many slices' end as there are edges up to it; shape [K].

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


def _stream(parts, edges, shared_users, known=None):
    """Makes a stream of some domains.

    Args:
        parts (list[DomainEvents]): Their events.
        edges (np.ndarray): Where slices begin; shape [K].
        shared_users (list[list[str]] | None): Names of domains whose user ids mean the same people.
        known (DomainEvents, optional): All events of the only domain, which decide on the numbers of its items; None:
            they are ``parts``.

    Returns:
        Stream: Their events.
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


def _published(parts, edges):
    """Numbers the items of domains by the slice that they first appear in, equal ones as they are.

    Returns:
        tuple[dict[tuple[int, str], int], np.ndarray]: The number of each domain's item, in their order; and the slice
        of each number, padding first; shape [N].
    """
    items, first = [], []
    for number, part in enumerate(parts):
        slices = np.full(len(part.item_tokens), len(edges) + 1)
        np.minimum.at(slices, part.items, _slice_of(part.times, edges))
        items += [(number, token) for token in part.item_tokens[1:]]
        first.append(slices[1:])
    first = np.concatenate(first)
    order = np.argsort(first, kind="stable")
    return {items[place]: number for number, place in enumerate(order, 1)}, np.r_[-1, first[order]]


def _slice_of(times, edges):
    """Returns the slice of each time, 0 before the first edge; int64."""
    return np.searchsorted(edges, times, side="right").astype(np.int64)


class SliceLoader(TargetLoader):
    """Targets of a stream for a trainer.

    Args:
        targets (Targets): The targets.
        n_items (int): Items that the model knows, padding included.
    """

    def __init__(self, targets, n_items):
        super().__init__(_Published(n_items), targets)


class _Published:
    """As much of a dataset as a model asks for."""

    def __init__(self, n_items):
        self._n_items = n_items

    def num(self, field):
        """Returns the number of items, whatever the field."""
        return self._n_items
