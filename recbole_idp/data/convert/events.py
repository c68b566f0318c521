"""Collect events while files are read, and bring those of each user into their order."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from recbole_idp.data.times import seconds_of_number


class Events(NamedTuple):
    """Events, grouped by user in the order in which the users appear, each user's in their order.

    Attributes:
        users: User ids in order of appearance.
        items: Item ids in order of appearance.
        frame: Columns ``user`` and ``item``, which are numbers of these ids, and ``timestamp``; and ``rating`` where
            the events have ratings.
        timed: Whether ``timestamp`` is a time, in seconds; otherwise it is the place among the user's events, from 0.
        dropped: Events that were dropped, as they repeat an earlier one.
    """

    users: np.ndarray
    items: np.ndarray
    frame: pd.DataFrame
    timed: bool
    dropped: int


class EventLog:
    """Events as they are read. Each takes sixteen bytes, and eight more with a rating.

    Args:
        rated: Whether each has a rating.
    """

    def __init__(self, rated: bool = False) -> None:
        self._users: dict[str, int] = {}
        self._items: dict[str, int] = {}
        self._user, self._item, self._time = array("i"), array("i"), array("d")
        self._rating = array("d") if rated else None

    def __len__(self) -> int:
        return len(self._user)

    def add(self, user: str, item: str, time: float = 0.0, rating: float = 0.0) -> None:
        """Add an event.

        Args:
            user: Id of the user.
            item: Id of the item.
            time: Seconds since 1970; events of one time stay in the order in which they were added.
            rating: The rating; not read where events have none.
        """
        if self._rating is not None:
            self._rating.append(rating)
        self._user.append(self._users.setdefault(user, len(self._users)))
        self._item.append(self._items.setdefault(item, len(self._items)))
        self._time.append(time)

    def timed(self) -> Events:
        """Return the events by time; of those with one user, item and time, the first alone."""
        frame = self._sorted()
        return self._events(frame, frame.drop_duplicates(["user", "item", "timestamp"]), timed=True)

    def first_of_each_item(self) -> Events:
        """Return the events by time; of those with one user and item, the first alone."""
        frame = self._sorted()
        return self._events(frame, frame.drop_duplicates(["user", "item"]), timed=True)

    def in_order(self) -> Events:
        """Return the events by time, and their places instead of their times."""
        frame = self._sorted()
        return self._events(frame, frame, timed=False)

    def _sorted(self) -> pd.DataFrame:
        columns = {"user": self._user, "item": self._item, "timestamp": self._time}
        if self._rating is not None:
            columns["rating"] = self._rating
        frame = pd.DataFrame({name: np.asarray(values) for name, values in columns.items()})
        # lexsort is stable.
        return frame.iloc[np.lexsort((frame["timestamp"], frame["user"]))]

    def _events(self, before: pd.DataFrame, frame: pd.DataFrame, timed: bool) -> Events:
        users, items = (_tokens(ids) for ids in (self._users, self._items))
        return Events(users, items, frame, timed, len(before) - len(frame))


def with_places(frame: pd.DataFrame) -> pd.DataFrame:
    """Return events, grouped by user, with their places among the user's events as ``timestamp``, from 0."""
    return frame.assign(timestamp=frame.groupby("user", sort=False).cumcount().to_numpy(np.float64))


def checked_id(text: str) -> str:
    """Return an id without the blanks around it.

    Raises:
        ValueError: It is empty, or holds control characters.
    """
    found = text.strip()
    if not found or not found.isprintable():
        raise ValueError("no id")
    return found


def checked_time(value: Any) -> float:
    """Return a number of seconds since 1970, or of thousandths of them, as seconds.

    Raises:
        ValueError: It is no finite number.
    """
    time = seconds_of_number(value)
    if not math.isfinite(time):
        raise ValueError("no time")
    return time


def _tokens(ids: Iterable[str]) -> np.ndarray:
    return np.array(list(ids), dtype=object)
