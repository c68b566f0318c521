"""Recognise the layout of a file of Amazon reviews, and read its lines as interactions."""

import math
import re
from array import array
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recbole_idp.data.amazon.lines import RawFile, parse_record
from recbole_idp.errors import UserError

Event = tuple[str, str, float, float]
"""User, item, rating and time in seconds."""
LineParser = Callable[[str], Event | None]
"""Turns a line into an event, or into None if it is the header."""

_ASIN = re.compile(r"\d{9}[\dX]|B0[0-9A-Z]{8}")
_SAMPLE = 200
# Seconds reach this in the year 5138; the release of 2023 counts milliseconds.
_MILLISECONDS_FROM = 1e11


def review_layout(file: RawFile) -> tuple[str, LineParser]:
    """Recognise the layout of a file of reviews by its first lines.

    Args:
        file: Reviews, a record per line, or ratings as comma-separated values.

    Returns:
        ``2014``, ``2018``, ``2023`` or ``ratings``; and the parser of its lines.

    Raises:
        UserError: The file is empty or has an unknown layout.
    """
    head = file.head(_SAMPLE)
    if not head:
        raise UserError(f"{file.path} is empty: give the file of reviews")
    record = file.first_record()
    if record is None:
        return "ratings", _ratings_parser(head, file.path)
    if "user_id" in record and "rating" in record:
        return "2023", _review_2023
    if "reviewerID" in record and "overall" in record:
        # Both releases share the fields that are read here; this one was dropped after 2014.
        return "2014" if "helpful" in record else "2018", _review_2014_2018
    keys = ", ".join(map(str, list(record)[:8]))
    raise UserError(f"{file.path} has no reviews but records of {keys}: are reviews and metadata the wrong way round?")


def _review_2014_2018(line: str) -> Event:
    """Return the event in a line of the releases of 2014 and 2018."""
    record = parse_record(line)
    return _event(record["reviewerID"], record["asin"], record["overall"], record["unixReviewTime"])


def _review_2023(line: str) -> Event:
    """Return the event in a line of the release of 2023."""
    record = parse_record(line)
    # The metadata names products by their parent, of which colours and sizes are variants.
    item = record.get("parent_asin") or record["asin"]
    time = record["timestamp"] if "timestamp" in record else record["sort_timestamp"]
    return _event(record["user_id"], item, record["rating"], time)


def _ratings_parser(head: Sequence[str], path: Path) -> LineParser:
    """Return the parser of a file of ratings; the order of the columns differs between releases."""
    rows = [line.split(",") for line in head]
    header = [field.strip().lower() for field in rows[0]]
    if "rating" in header and "user_id" in header and "timestamp" in header:
        item = "parent_asin" if "parent_asin" in header else "asin"
        if item in header:
            return _column_parser([header.index(field) for field in ("user_id", item, "rating", "timestamp")], header)
    asins = [sum(len(row) == 4 and bool(_ASIN.fullmatch(row[column])) for row in rows) for column in (0, 1)]
    if asins[0] == asins[1]:
        raise UserError(f"{path} has an unknown layout: need JSON records, or user,item,rating,time in every line")
    return _column_parser([1, 0, 2, 3] if asins[0] > asins[1] else [0, 1, 2, 3], None)


def _column_parser(order: Sequence[int], header: Sequence[str] | None) -> LineParser:
    """Return the parser of comma-separated lines.

    Args:
        order: Columns of user, item, rating and time.
        header: Names of the columns in lower case; None if the file has no header.
    """
    width = 4 if header is None else len(header)

    def parse(line: str) -> Event | None:
        """Return the event in a line, None for the header."""
        fields = line.split(",")
        if len(fields) != width:
            raise ValueError(f"{len(fields)} fields")
        if header is not None and fields[order[2]].strip().lower() == "rating":
            return None
        return _event(*(fields[column] for column in order))

    return parse


def _event(user: object, item: object, rating: Any, time: Any) -> Event:
    """Return one event with its time in seconds.

    Raises:
        ValueError: A part of it is missing, or is no value of its kind.
    """
    if isinstance(user, (dict, list)) or isinstance(item, (dict, list)):
        raise ValueError("an id is a list or an object")
    user, item, rating, time = str(user or "").strip(), str(item or "").strip(), float(rating), float(time)
    if not user or not item or not math.isfinite(rating) or not math.isfinite(time):
        raise ValueError("incomplete")
    return user, item, rating, time / 1000 if time >= _MILLISECONDS_FROM else time


def read_reviews(file: RawFile, parse: LineParser) -> tuple[np.ndarray, np.ndarray, pd.DataFrame]:
    """Read all interactions of a file.

    Args:
        file: The reviews.
        parse: The parser of its lines; see :func:`review_layout`.

    Returns:
        The user tokens and the item tokens in order of appearance; and the interactions in the order of the file, with
        the columns ``user`` and ``item``, which are numbers of these tokens, ``rating`` and ``timestamp`` (seconds).

    Raises:
        UserError: The file cannot be read, or too many of its lines are malformed.
    """
    users: dict[str, int] = {}
    items: dict[str, int] = {}
    columns: dict[str, array[Any]] = {
        "user": array("q"),
        "item": array("q"),
        "rating": array("d"),
        "timestamp": array("d"),
    }
    for event in file.parsed(parse):
        if event is None:
            continue
        user, item, rating, time = event
        columns["user"].append(users.setdefault(user, len(users)))
        columns["item"].append(items.setdefault(item, len(items)))
        columns["rating"].append(rating)
        columns["timestamp"].append(time)
    events = pd.DataFrame({name: np.asarray(values) for name, values in columns.items()})
    return np.array(list(users), dtype=object), np.array(list(items), dtype=object), events
