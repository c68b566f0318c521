"""Recognise tables of events and of items by the names of their columns: CSV, TSV, ``::``, and JSON records."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from recbole_idp.errors import UserError

SEPARATORS = ("\t", "::", ",", ";", "|")

# Names in lower case, without what stands between their words; of several columns the one that is named first counts.
EVENT_NAMES: dict[str, tuple[str, ...]] = {
    "user": ("userid", "user", "reviewerid", "uid", "customerid", "visitorid", "memberid", "accountid", "reviewer"),
    "item": (
        "parentasin", "asin", "itemid", "item", "movieid", "bookid", "isbn", "productid", "businessid", "articleid",
        "newsid", "gameid", "appid", "songid", "trackid", "videoid", "recipeid", "animeid", "artistid", "iid", "movie",
        "book", "product", "article",
    ),
    "rating": ("rating", "overall", "stars", "score", "ratings", "starrating", "bookrating", "ratingscore"),
    "time": (
        "timestamp", "unixreviewtime", "sorttimestamp", "unixtime", "time", "ts", "date", "datetime", "reviewdate",
        "reviewtime", "tdat", "createdat",
    ),
}  # fmt: skip
ITEM_NAMES: dict[str, tuple[str, ...]] = {
    "item": (*EVENT_NAMES["item"][:-4], "id"),
    "title": ("title", "name", "movietitle", "booktitle", "producttitle", "itemtitle", "productname", "prodname"),
    "brand": ("brand", "store", "author", "authors", "bookauthor", "publisher", "manufacturer", "artist"),
    "categories": ("categories", "category", "genres", "genre", "tags", "class", "maincategory"),
    "description": ("description", "abstract", "overview", "summary", "detaildesc"),
    "price": ("price",),
}
_TYPE = re.compile(r":(token|float|token_seq|float_seq)$")


class Table(NamedTuple):
    """How the lines of a table are read.

    Attributes:
        separator: What stands between two fields.
        columns: Place of each part that was found, such as ``user`` or ``title``.
        width: Number of fields.
        header: The names of the columns; empty if there are none.
    """

    separator: str
    columns: dict[str, int]
    width: int
    header: tuple[str, ...]


def find_columns(names: Sequence[str], names_of: Mapping[str, Iterable[str]]) -> dict[str, int]:
    """Return the places of the wanted columns.

    Args:
        names: The names of the columns.
        names_of: The names that each part may have.

    Returns:
        Place of each part that is there.
    """
    places: dict[str, int] = {}
    for place, name in enumerate(names):
        places.setdefault(re.sub(r"[\W_]", "", _TYPE.sub("", name.strip()).lower()), place)
    found = {part: next((places[name] for name in known if name in places), None) for part, known in names_of.items()}
    return {part: place for part, place in found.items() if place is not None}


def split_header(line: str, names_of: Mapping[str, Iterable[str]]) -> Table:
    """Split a first line by the separator that gives the most of the wanted columns, and then the most fields."""
    tables = []
    for separator in SEPARATORS:
        names = [name.strip().strip('"').strip() for name in line.split(separator)]
        tables.append(Table(separator, find_columns(names, names_of), len(names), tuple(names)))
    return max(tables, key=lambda table: (len(table.columns), table.width))


def missing_columns(path: Path, names: Sequence[str], found: Iterable[str], needed: Sequence[str]) -> UserError:
    """Return the error for a table that lacks columns.

    Args:
        path: The file.
        names: The names of its columns.
        found: The parts that were found.
        needed: The parts that are needed.
    """
    known = {**ITEM_NAMES, **EVENT_NAMES}
    lacking = [f"a column of the {part} ({', '.join(known[part][:4])} …)" for part in needed if part not in set(found)]
    shown = ", ".join(names[:12])[:200]
    return UserError(f"{path} has an unknown layout: its columns are {shown}; it needs {' and '.join(lacking)}")
