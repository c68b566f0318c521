"""What a platform's files hold, and how their lines are read."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from recbole_idp.data.convert.events import checked_id
from recbole_idp.data.convert.item_facts import ItemFacts
from recbole_idp.data.convert.lines import RawFile, parse_record
from recbole_idp.data.convert.sequence_lines import first_lines
from recbole_idp.data.times import TimeReader
from recbole_idp.errors import UserError


class PlatformEvent(NamedTuple):
    """An event.

    Attributes:
        user: Id of the user.
        item: Id of the item.
        time: Seconds since 1970; None: the file does not say it.
        rating: The rating; 0 where the platform has none.
    """

    user: str
    item: str
    time: float | None
    rating: float = 0.0


class Platform(NamedTuple):
    """A platform.

    Attributes:
        form: Its name.
        event_files: The usual names of its file of events, in the order in which they are looked for.
        item_files: The same of its file of items.
        read: Yields the events of a file.
        describe: Reads the texts of some items from the file of items.
        rated: Whether events have ratings.
        otherwise: The encoding of lines that are no UTF-8; None: there are none.
    """

    form: str
    event_files: tuple[str, ...]
    item_files: tuple[str, ...]
    read: Callable[[RawFile], Iterator[PlatformEvent]]
    describe: Callable[[RawFile, Collection[str]], ItemFacts]
    rated: bool = True
    otherwise: str | None = None


def checked_event(user: Any, item: Any, time: float | None, rating: Any = 0.0) -> PlatformEvent:
    """Return an event.

    Raises:
        ValueError: A part of it is missing, or is no value of its kind.
    """
    rating = float(rating)
    if not math.isfinite(rating) or (time is not None and not math.isfinite(time)):
        raise ValueError("no finite number")
    return PlatformEvent(_id(user), _id(item), time, rating)


def _id(value: Any) -> str:
    """Return an id, which may be written as a number."""
    if type(value) not in (str, int):
        raise ValueError("no id")
    return checked_id(str(value))


def check_keys(file: RawFile, *needed: str) -> Mapping[str, Any]:
    """Return the first record of a file of records, a line each.

    Args:
        file: The file.
        *needed: Keys of a record.

    Raises:
        UserError: The file is empty or no text, or its records lack a key.
    """
    what = f"records with {', '.join(needed)}"
    first_lines(file, what)
    record = file.first_record()
    if record is None:
        raise UserError(f"{file.path} has no {what}, a line each: give another file")
    if missing := [key for key in needed if key not in record]:
        shown = ", ".join(map(str, list(record)[:12]))[:200]
        raise UserError(f"{file.path} has records without {' and '.join(missing)}; they have {shown}")
    return record


def read_event_records(
    file: RawFile, needed: Sequence[str], event_of: Callable[[Mapping[str, Any], TimeReader], PlatformEvent]
) -> Iterator[PlatformEvent]:
    """Yield the events of a file of records, a line each.

    Args:
        file: The file.
        needed: Keys of a record.
        event_of: Returns the event of a record, whose time is read by its second argument; raises an error, such as
            ``ValueError``, for a malformed one.

    Raises:
        UserError: The file cannot be read, lacks a key, or too many of its lines are malformed.
    """
    check_keys(file, *needed)
    time_of = TimeReader()
    return file.parsed(lambda line: event_of(parse_record(line), time_of))


def read_records(
    file: RawFile, facts: ItemFacts, id_key: str, texts_of: Callable[[Mapping[str, Any]], list[str]]
) -> ItemFacts:
    """Read records of items, a line each.

    Args:
        file: The file.
        facts: Where they go.
        id_key: The key of an item's id.
        texts_of: Returns, of a record, the value of each column of ``facts``.

    Returns:
        ``facts``.

    Raises:
        UserError: The file cannot be read, or too many of its lines are malformed.
    """

    def parse(line: str) -> tuple[str, list[str]] | None:
        record = parse_record(line)
        # Steam has games without an id.
        return None if record.get(id_key) is None else (_id(record[id_key]), texts_of(record))

    for row in file.parsed(parse):
        if row is not None:
            facts.add(*row)
    return facts


def text_of(value: Any) -> str:
    """Return a text; empty for anything else."""
    return value if isinstance(value, str) else ""


def list_of(value: Any) -> str:
    """Return a list of texts as one text, with commas between; empty for anything else."""
    return ", ".join(filter(None, map(text_of, value))) if isinstance(value, list) else text_of(value)
