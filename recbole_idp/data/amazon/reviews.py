"""Recognise the layout of a file of reviews or ratings, and read its lines as interactions."""

from __future__ import annotations

import functools
import math
import re
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from recbole_idp.data.convert.lines import RawFile, parse_record
from recbole_idp.data.convert.tables import EVENT_NAMES, Table, find_columns, missing_columns, split_header
from recbole_idp.data.times import TimeReader, seconds_of_number
from recbole_idp.errors import UserError

NEEDED = ("user", "item", "time")
"""The parts that every event has."""

_ASIN = re.compile(r"\d{9}[\dX]|B0[0-9A-Z]{8}")
_SAMPLE = 200
# A time without a name of its column is one since 1980, and a rating is no number of that size.
_TIME_FROM, _RATING_TO = 3e8, 1000
_NUMBERED = {"user": 0, "item": 1, "rating": 2, "time": 3}
_BINARY = {"PK\x03\x04": "a zip archive: unpack it", "PAR1": "a Parquet file: write it as CSV"}


class Event(NamedTuple):
    """An interaction.

    Attributes:
        user: Id of the user.
        item: Id of the item.
        time: Seconds since 1970.
        rating: The rating; 0 if the file has none.
        history: Ids of earlier items with blanks between them, where the file has them.
    """

    user: str
    item: str
    time: float
    rating: float
    history: str = ""


class Layout(NamedTuple):
    """How the events of a file are read.

    Attributes:
        name: ``2014``, ``2018``, ``2023``, ``ratings``, or the names of the columns.
        read: Yields the events of a file.
        has_ratings: Whether they have ratings.
        header: The first line of a table with names of columns; else empty.
    """

    name: str
    read: Callable[[RawFile], Iterator[Event | None]]
    has_ratings: bool = True
    header: str = ""


def review_layout(file: RawFile) -> Layout:
    """Recognise the layout of a file of reviews by its first lines.

    Args:
        file: Reviews, a record per line; or a table, whose first line names its columns.

    Raises:
        UserError: The file is empty or has an unknown layout.
    """
    head = file.head(_SAMPLE)
    if not head:
        raise UserError(f"{file.path} is empty: give the file of reviews")
    if binary := next((what for start, what in _BINARY.items() if head[0].startswith(start)), None):
        raise UserError(f"{file.path} is {binary}")
    if head[0].lstrip().startswith("["):
        raise UserError(f"{file.path} is one JSON list: write it as a record a line, as `jq -c '.[]'` does")
    record = file.first_record()
    if record is None:
        return _table_layout(head, file.path)
    if "user_id" in record and "rating" in record and ("parent_asin" in record or "asin" in record):
        return Layout("2023", lambda file: file.parsed(_review_2023))
    if "reviewerID" in record and "overall" in record:
        # Both releases share the fields that are read here; this one was dropped after 2014.
        return Layout("2014" if "helpful" in record else "2018", lambda file: file.parsed(_review_2014_2018))
    return _record_layout(list(map(str, record)), file.path)


def _review_2014_2018(line: str) -> Event:
    """Return the event in a line of the releases of 2014 and 2018."""
    record = parse_record(line)
    return _event(record["reviewerID"], record["asin"], seconds_of_number(record["unixReviewTime"]), record["overall"])


def _review_2023(line: str) -> Event:
    """Return the event in a line of the release of 2023."""
    record = parse_record(line)
    # The metadata names products by their parent, of which colours and sizes are variants.
    item = record.get("parent_asin") or record["asin"]
    time = record["timestamp"] if "timestamp" in record else record["sort_timestamp"]
    return _event(record["user_id"], item, seconds_of_number(time), record["rating"])


def _record_layout(names: list[str], path: Path) -> Layout:
    """Return the layout of JSON records of other keys."""
    found = find_columns(names, EVENT_NAMES)
    if missing := [part for part in NEEDED if part not in found]:
        wrong = "" if "user" in found else "; are reviews and metadata the wrong way round?"
        raise UserError(f"{missing_columns(path, names, found, missing)}{wrong}")
    keys = {part: names[place] for part, place in found.items()}

    def read(file: RawFile) -> Iterator[Event | None]:
        time_of = TimeReader()

        def parse(line: str) -> Event:
            record = parse_record(line)
            rating = (record[keys["rating"]],) if "rating" in keys else ()
            return _event(record[keys["user"]], record[keys["item"]], time_of(record[keys["time"]]), *rating)

        return file.parsed(parse)

    return Layout(",".join(keys[part] for part in EVENT_NAMES if part in keys), read, "rating" in keys)


def _table_layout(head: Sequence[str], path: Path) -> Layout:
    """Return the layout of a table."""
    table = split_header(head[0], {**EVENT_NAMES, "history": ("history",)})
    if all(part in table.columns for part in NEEDED):
        amazon = {"rating", *NEEDED} <= table.columns.keys() and table.header[table.columns["item"]].endswith("asin")
        names = ",".join(table.header[table.columns[part]] for part in EVENT_NAMES if part in table.columns)
        read = functools.partial(_read_table, table)
        return Layout("ratings" if amazon else names, read, "rating" in table.columns, head[0].strip())
    numbered = _without_header(head)
    if numbered is None:
        missing = [part for part in NEEDED if part not in table.columns]
        raise missing_columns(path, table.header, table.columns, missing)
    return Layout("ratings", functools.partial(_read_table, numbered))


def _without_header(head: Sequence[str]) -> Table | None:
    """Return the layout of a table without names: user, item, rating and time, or Amazon's item, user, rating, time."""
    separator = max(("\t", "::", ","), key=lambda separator: sum(line.count(separator) == 3 for line in head))
    rows = [line.split(separator) for line in head]
    asins = [sum(len(row) == 4 and bool(_ASIN.fullmatch(row[column].strip())) for row in rows) for column in (0, 1)]
    if asins[0] > asins[1]:
        return Table(separator, {"item": 0, "user": 1, "rating": 2, "time": 3}, 4, ())
    rated = [row for row in rows if len(row) == 4 and _rates(row[2], row[3])]
    if asins[1] > asins[0] or (len(rated) > len(rows) / 2 and rated[0] == rows[0]):
        return Table(separator, _NUMBERED, 4, ())
    return None


def _rates(rating: str, time: str) -> bool:
    """Return whether two fields can be a rating and a time."""
    try:
        return abs(float(rating)) <= _RATING_TO and TimeReader()(time) >= _TIME_FROM
    except ValueError:
        return False


def _read_table(table: Table, file: RawFile) -> Iterator[Event | None]:
    """Yield the events of a table, None for its header."""
    time_of, places = TimeReader(), table.columns
    user, item, time = (places[part] for part in NEEDED)
    rating, history = places.get("rating"), places.get("history")
    first = bool(table.header)

    def parse(fields: list[str]) -> Event | None:
        nonlocal first
        if first:
            first = False
            return None
        if len(fields) != table.width:
            raise ValueError(f"{len(fields)} fields")
        return _event(
            fields[user],
            fields[item],
            time_of(fields[time]),
            0 if rating is None else fields[rating],
            "" if history is None else fields[history],
        )

    return file.parsed_rows(table.separator, parse)


def _event(user: object, item: object, time: float, rating: Any = 0, history: str = "") -> Event:
    """Return one event.

    Raises:
        ValueError: A part of it is missing, or is no value of its kind.
    """
    if isinstance(user, (dict, list)) or isinstance(item, (dict, list)):
        raise ValueError("an id is a list or an object")
    user, item = (str("" if value is None else value).strip() for value in (user, item))
    rating = float(rating)
    if not user or not item or not math.isfinite(rating) or not math.isfinite(time):
        raise ValueError("incomplete")
    return Event(user, item, time, rating, history)


class Reviews(NamedTuple):
    """The interactions of one or several files.

    Attributes:
        users: User ids in order of appearance.
        items: Item ids in order of appearance.
        events: The interactions in the order of the files, with the columns ``user`` and ``item``, which are numbers of
            these ids, ``rating`` and ``timestamp`` (seconds).
        only_in_histories: How many items of the users' histories have no interaction of their own.
    """

    users: np.ndarray
    items: np.ndarray
    events: pd.DataFrame
    only_in_histories: int


def read_reviews(files: Sequence[RawFile], layout: Layout) -> Reviews:
    """Read all interactions of some files.

    Args:
        files: The reviews.
        layout: How they are read; see :func:`review_layout`.

    Raises:
        UserError: A file cannot be read, or too many of its lines are malformed.
    """
    users: dict[str, int] = {}
    items: dict[str, int] = {}
    histories: dict[int, str] = {}
    columns: dict[str, array[Any]] = {
        "user": array("q"),
        "item": array("q"),
        "rating": array("d"),
        "timestamp": array("d"),
    }
    for event in (event for file in files for event in layout.read(file)):
        if event is None:
            continue
        user = users.setdefault(event.user, len(users))
        columns["user"].append(user)
        columns["item"].append(items.setdefault(event.item, len(items)))
        columns["rating"].append(event.rating)
        columns["timestamp"].append(event.time)
        if len(event.history) > len(histories.get(user, "")):
            histories[user] = event.history
    events = pd.DataFrame({name: np.asarray(values) for name, values in columns.items()})
    user_tokens, item_tokens = np.array(list(users), dtype=object), np.array(list(items), dtype=object)
    return Reviews(user_tokens, item_tokens, events, _only_in_histories(histories, events, items))


def _only_in_histories(histories: Mapping[int, str], events: pd.DataFrame, items: Mapping[str, int]) -> int:
    """Return how many pairs of a user and an item of its history are no event."""
    known = set(zip(events["user"], events["item"], strict=True)) if histories else set()
    pairs = {(user, items.get(token, token)) for user, text in histories.items() for token in text.split()}
    return len(pairs - known)
