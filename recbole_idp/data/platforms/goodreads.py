"""The files of Goodreads (UCSD Book Graph): JSON, a record a line, gzipped.

goodreads_interactions_*.json.gz   user_id, book_id, rating (0: none), date_added "Mon Aug 01 13:41:57 -0700 2011", ...
goodreads_books_*.json.gz          book_id, title, publisher, popular_shelves, description, ...
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from recbole_idp.data.convert.item_facts import ItemFacts
from recbole_idp.data.convert.lines import RawFile
from recbole_idp.data.platforms.platform import (
    Platform,
    PlatformEvent,
    check_keys,
    checked_event,
    read_event_records,
    read_records,
    text_of,
)
from recbole_idp.data.times import TimeReader

_SHELVES = 5
# How people keep their shelves says nothing of a book.
_NO_SHELVES = re.compile(
    r"to-read|currently-reading|owned|favou?rites?|default|kindle|ebooks?|books-i-own|library|wish-?list"
)


def read_interactions(file: RawFile) -> Iterator[PlatformEvent]:
    """Yield the interactions by the time when a book was put on a shelf; those without one have no time.

    Raises:
        UserError: The file cannot be read, lacks a key, or too many of its lines are malformed.
    """
    return read_event_records(file, ("user_id", "book_id", "rating", "date_added"), _interaction)


def _interaction(record: Mapping[str, Any], time_of: TimeReader) -> PlatformEvent:
    """Return the event of a record."""
    time = time_of(record["date_added"]) if record["date_added"] else None
    return checked_event(record["user_id"], record["book_id"], time, record["rating"])


def read_books(file: RawFile, wanted: Collection[str]) -> ItemFacts:
    """Read titles, publishers, the most usual shelves and descriptions.

    Args:
        file: The file of books.
        wanted: Those whose texts are kept.

    Raises:
        UserError: The file cannot be read, lacks a key, or too many of its lines are malformed.
    """
    check_keys(file, "book_id", "title")
    columns = ("title", "publisher", "shelves", "description")
    return read_records(file, ItemFacts(wanted, dict.fromkeys(columns, "token_seq")), "book_id", _texts)


def _texts(record: Mapping[str, Any]) -> list[str]:
    """Return the texts of a book."""
    shelves = record.get("popular_shelves")
    names = [text_of(one.get("name")) for one in shelves if isinstance(one, dict)] if isinstance(shelves, list) else []
    named = [name for name in names if name and not _NO_SHELVES.fullmatch(name)][:_SHELVES]
    return [
        text_of(record.get("title")),
        text_of(record.get("publisher")),
        ", ".join(named),
        text_of(record.get("description")),
    ]


GOODREADS = Platform(
    "Goodreads",
    ("goodreads_interactions_dedup.json", "goodreads_interactions.json"),
    ("goodreads_books.json",),
    read_interactions,
    read_books,
)
