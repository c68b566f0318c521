"""The layouts of Amazon reviews: which one a file has, and its lines as interactions."""

import math
import re
from array import array

import numpy as np
import pandas as pd

from recbole_idp.data.amazon.lines import parse_record
from recbole_idp.errors import UserError

_ASIN = re.compile(r"\d{9}[\dX]|B0[0-9A-Z]{8}")
_SAMPLE = 200
# Seconds reach this in the year 5138; the release of 2023 counts milliseconds.
_MILLISECONDS_FROM = 1e11


def review_layout(file):
    """Tells the layout of a file of reviews from its first lines.

    Args:
        file (RawFile): Reviews, a record per line, or ratings as comma-separated values.

    Returns:
        tuple[str, Callable]: ``2014``, ``2018``, ``2023`` or ``ratings``, and the function from a line to (user, item,
        rating, time in seconds), or to None for a line that is none by intention.

    Raises:
        UserError: The file is empty or of no known layout.
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
        # Both releases share the fields that count here; this one was dropped after 2014.
        return "2014" if "helpful" in record else "2018", _review_2014_2018
    keys = ", ".join(map(str, list(record)[:8]))
    raise UserError(f"{file.path} has no reviews but records of {keys}: are reviews and metadata the wrong way round?")


def _review_2014_2018(line):
    record = parse_record(line)
    return _event(record["reviewerID"], record["asin"], record["overall"], record["unixReviewTime"])


def _review_2023(line):
    record = parse_record(line)
    # The metadata knows products by their parent, of which colours and sizes are variants.
    item = record.get("parent_asin") or record["asin"]
    time = record["timestamp"] if "timestamp" in record else record["sort_timestamp"]
    return _event(record["user_id"], item, record["rating"], time)


def _ratings_parser(head, path):
    """Returns the parser of a file of ratings, whose columns are in another order in each release."""
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


def _column_parser(order, header):
    """Returns a function from a comma-separated line to (user, item, rating, time), None for the header."""
    width = 4 if header is None else len(header)

    def parse(line):
        fields = line.split(",")
        if len(fields) != width:
            raise ValueError(f"{len(fields)} fields")
        if header is not None and fields[order[2]].strip().lower() == "rating":
            return None
        return _event(*(fields[column] for column in order))

    return parse


def _event(user, item, rating, time):
    """Returns one interaction with its time in seconds, or raises where a part of it is missing."""
    user, item, rating, time = str(user or "").strip(), str(item or "").strip(), float(rating), float(time)
    if not user or not item or not math.isfinite(rating) or not math.isfinite(time):
        raise ValueError("incomplete")
    return user, item, rating, time / 1000 if time >= _MILLISECONDS_FROM else time


def read_reviews(file, parse):
    """Reads all interactions of a file.

    Args:
        file (RawFile): The reviews.
        parse (Callable): What :func:`review_layout` returned.

    Returns:
        tuple[numpy.ndarray, numpy.ndarray, pandas.DataFrame]: The user tokens and the item tokens in order of
        appearance, and the interactions in the file's order with the columns ``user`` and ``item``, which number
        these tokens, ``rating`` and ``timestamp`` (seconds).

    Raises:
        UserError: The file cannot be read, or too many of its lines are malformed.
    """
    users, items = {}, {}
    columns = {"user": array("q"), "item": array("q"), "rating": array("d"), "timestamp": array("d")}
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
