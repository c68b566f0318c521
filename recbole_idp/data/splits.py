"""Say of each event in which part of a split it is, by one rule for all kinds of models.

A user's first event is history: it is never a target. What a target is predicted from are the user's earlier events of
its own part and of the parts before it: a test target's history holds validation events, but no training target's
history holds an event that is validated or tested on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch

from recbole_idp.data.ordering import order_by, stable_order
from recbole_idp.data.sequences import Sequences, Targets, positions
from recbole_idp.errors import UserError

TRAIN, VALID, TEST = 0, 1, 2
PARTS = ("train", "valid", "test")


class Events(NamedTuple):
    """The events of a dataset in the order of time; those of one time in the order of the file.

    Attributes:
        users: User number of each event; int64, shape [E].
        items: Item number of each event; int64, shape [E].
        times: Exact time of each event; float64, shape [E].
        rows: Row of each event in its file, or in its files one after another, from 0; int64, shape [E].
        parts: Part of each event: ``TRAIN``, ``VALID`` or ``TEST``; int64, shape [E].
    """

    users: np.ndarray
    items: np.ndarray
    times: np.ndarray
    rows: np.ndarray
    parts: np.ndarray

    def by_user(self) -> Events:
        """Return the events user after user, those of each user in the order of time."""
        order = stable_order(self.users)
        return Events(*(values[order] for values in self))

    def seen(self, n_users: int, n_items: int) -> Seen:
        """Return which users and items have a training event."""
        trained = self.parts == TRAIN
        users, items = np.zeros(n_users, dtype=bool), np.zeros(n_items, dtype=bool)
        users[self.users[trained]] = True
        items[self.items[trained]] = True
        return Seen(users, items)


class Seen(NamedTuple):
    """Which users and items have a training event.

    Attributes:
        users: By user number; bool, shape [U].
        items: By item number; bool, shape [N].
    """

    users: np.ndarray
    items: np.ndarray


@dataclass(frozen=True)
class PartRows:
    """The targets of one part, with sequences of their own.

    Attributes:
        sequences: The events; a user may have several sequences, or none.
        owners: User of each sequence; int64, shape [S].
        starts: Index of the first event of each target's history; int64, shape [R].
        ends: Index of each target; int64, shape [R].
        fresh: Whether an event is there for the first time, and not the copy of another's; bool, shape [E].
        events: Number of each target among the dataset's events; int64, shape [R]. None for given histories.
        times: Exact time of each event; float64, shape [E]. None for given histories.
    """

    sequences: Sequences
    owners: torch.Tensor
    starts: torch.Tensor
    ends: torch.Tensor
    fresh: torch.Tensor
    events: np.ndarray | None = None
    times: np.ndarray | None = None

    def targets(self) -> Targets:
        """Return the targets."""
        return Targets(self.sequences, self.starts, self.ends)

    def users(self) -> torch.Tensor:
        """Return the user of each target; int64, shape [R]."""
        return self.owners[torch.bucketize(self.ends, self.sequences.offsets, right=True) - 1]

    def event_users(self) -> torch.Tensor:
        """Return the user of each event; int64, shape [E]."""
        return self.owners.repeat_interleave(self.sequences.lengths())


def by_user(split: Mapping[str, Any], group_by: str | None) -> bool:
    """Return whether a split cuts each user's events by themselves: leave-one-out, or shares of each user."""
    return "LS" in split or ("RS" in split and group_by == "user")


def parts_of(
    users: np.ndarray,
    times: np.ndarray,
    split: Mapping[str, Any],
    group_by: str | None,
    sizes: Callable[[int, Sequence[float]], Sequence[int]],
    name: str,
) -> np.ndarray:
    """Split events.

    Args:
        users: User of each event, in the order of time; shape [E].
        times: Time of each event, ascending; shape [E].
        split: RecBole's ``split``: ``{LS: ...}``, ``{RS: [...]}`` or ``{TS: [...]}``.
        group_by: RecBole's ``group_by``; it decides on ``RS`` alone.
        sizes: RecBole's rule by which shares of a number of events become the ends of the first two parts.
        name: The dataset's name.

    Returns:
        The part of each event; int64, shape [E].

    Raises:
        UserError: A split by time is asked for, and the times are none.
    """
    ((method, value),) = split.items()
    if method == "TS":
        if only_places(users, times):
            raise UserError(
                f"the timestamps of {name} are no times but places in each user's history, so that the split TS by "
                "time means nothing: take LS or RS, or a dataset with real times"
            )
        return _by_time(times, value)
    order = stable_order(users)
    place = np.empty(len(users), dtype=np.int64)
    place[order] = positions(users[order])
    if method == "RS" and group_by != "user":
        # Each user's first event is no target; it goes with the targets beside it.
        is_target = (place > 0).astype(np.int64)
        before = np.cumsum(is_target) - is_target
        return np.searchsorted(np.asarray(sizes(int(is_target.sum()), _shares(value))), before, side="right")
    counts = np.bincount(users) if len(users) else np.zeros(0, dtype=np.int64)
    # Ends of training and validation, by the user's number of events.
    ends = np.zeros((2, int(counts.max(initial=0)) + 1), dtype=np.int64)
    for count in np.unique(counts[counts > 0]).tolist():
        if method == "LS":
            tested = min(1, max(0, count - 2))
            validated = min(1, max(0, count - 3)) if value == "valid_and_test" else 0
            ends[:, count] = count - tested - validated, count - tested
        else:
            ends[:, count] = np.asarray(sizes(count - 1, _shares(value))) + 1
    own = ends[:, counts[users]]
    return (place >= own[0]).astype(np.int64) + (place >= own[1])


def _shares(value: Sequence[float]) -> list[float]:
    """Return shares that add up to 1."""
    return [share / sum(value) for share in value]


def _by_time(times: np.ndarray, shares: Sequence[float]) -> np.ndarray:
    """Cut ascending times so that the parts have these shares of the events, and events of one time stay together."""
    cumulative = np.cumsum(shares) / np.sum(shares)
    # The place of a share among n events is that of RecBole's percentile; the small number is for rounding.
    places = (cumulative[:2] * (len(times) - 1) + 1e-9).astype(np.int64)
    return (times[:, None] > times[places]).sum(1)


def only_places(users: np.ndarray, times: np.ndarray) -> bool:
    """Return whether timestamps are no times: one value for all, or places in each user's history.

    Places are 0, 1, 2 or 1, 2, 3 and so on, some of them missing where events were filtered: whole numbers, no two
    equal for a user, and most users begin at the same one. People do not begin at the same moment.

    Args:
        users: User of each event; shape [E].
        times: Time of each event; shape [E].
    """
    if len(times) == 0:
        return False
    lowest = times.min()
    if lowest == times.max():
        return True
    order = order_by(users, times)
    users, times = users[order], times[order]
    place = positions(users)
    repeated = (place[1:] > 0) & (times[1:] == times[:-1])
    firsts = times[place == 0]
    return bool((times % 1 == 0).all() and not repeated.any() and (firsts == lowest).mean() > 0.5)


def part_rows(events: Events, first_target: int = 1) -> list[PartRows]:
    """Make the targets of each part: the events with an earlier one of their user.

    Args:
        events: The events.
        first_target: Place of the first of a user's events that may be a target.

    Returns:
        The targets for training, validation and test.
    """
    order, ordered = stable_order(events.users), events.by_user()
    found = []
    for part in (TRAIN, VALID, TEST):
        users_of_part = np.unique(ordered.users[ordered.parts == part])
        kept = (ordered.parts <= part) & np.isin(ordered.users, users_of_part)
        users, items, parts = ordered.users[kept], ordered.items[kept], ordered.parts[kept]
        times = ordered.times[kept]
        place = positions(users)
        first = np.flatnonzero(place == 0)
        ends = np.flatnonzero((parts == part) & (place >= first_target))
        found.append(
            PartRows(
                Sequences(torch.from_numpy(items), torch.from_numpy(np.r_[first, len(users)])),
                torch.from_numpy(users[first]),
                torch.from_numpy(ends - place[ends]),
                torch.from_numpy(ends),
                torch.ones(len(users), dtype=torch.bool),
                order[kept][ends],
                times,
            )
        )
    return found


class Overlap(NamedTuple):
    """How far test events lie before training events of other users.

    Attributes:
        tested: Number of test events.
        before: How many of them lie before some training event.
        later: Share of the training events that are later than a test event, averaged over the test events.
    """

    tested: int
    before: int
    later: float


def overlap(events: Events) -> Overlap | None:
    """Count test events that lie before training events; None where nothing is tested or times are none."""
    trained = np.sort(events.times[events.parts == TRAIN])
    tested = events.times[events.parts == TEST]
    if len(trained) == 0 or len(tested) == 0 or only_places(events.users, events.times):
        return None
    later = len(trained) - np.searchsorted(trained, tested, side="right")
    return Overlap(len(tested), int((later > 0).sum()), float(later.mean() / len(trained)))
