"""Read lines of items, oldest first, with or without the user before them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from recbole_idp.data.convert.events import EventLog, Events, checked_id
from recbole_idp.data.convert.lines import RawFile
from recbole_idp.data.convert.tables import EVENT_NAMES, find_columns
from recbole_idp.errors import UserError

_BINARY = {
    b"\x93NUMPY": "a NumPy array, whose objects are pickles, which are not opened: write it as text, one user a line, "
    "its ids with blanks between (docs/start/your-data.md has the lines)",
    b"PK\x03\x04": "a zip archive: unpack it",
    b"PAR1": "a Parquet file: write it as text",
    b"\x80": "a pickle, which is not opened: write it as text",
}
_SAMPLE = 20


class UserLine(NamedTuple):
    """The sequence of a user.

    Attributes:
        user: The user's id; empty: the line is the user.
        items: Item ids, oldest first.
    """

    user: str
    items: list[str]


def first_lines(file: RawFile, what: str) -> list[str]:
    """Return the first lines of a file that must be text.

    Args:
        file: The file.
        what: What its lines hold, for the message.

    Raises:
        UserError: The file cannot be read, is empty, or is of a known form that is no text.
    """
    head = file.head(_SAMPLE)
    with open(file.path, "rb") as raw:
        start = raw.read(8)
    if form := next((form for magic, form in _BINARY.items() if start.startswith(magic)), None):
        raise UserError(f"{file.path} is {form}")
    if not head:
        raise UserError(f"{file.path} is empty: each line holds {what}")
    return head


def read_user_lines(path: Path, file: RawFile) -> tuple[Events, list[str]]:
    """Read lines of a user, a tab, and item ids with blanks between. A first line that names columns is left out.

    Args:
        path: The file, for messages.
        file: The file.

    Returns:
        The events, and notes on what a user may not expect.

    Raises:
        UserError: The file cannot be read, has other separators, or too many malformed lines.
    """
    head = first_lines(file, "a user, a tab, and item ids with blanks between")
    if not any("\t" in line for line in head):
        raise UserError(f"{path}, line 1 has no tab, which stands between the user and the items: write it so")
    _check_blanks(path, [line.partition("\t")[2] for line in head])
    return _read(file, _user_line)


def read_item_lines(path: Path, file: RawFile) -> tuple[Events, list[str]]:
    """Read lines of item ids with blanks between, of which each is a user, named by its number from 1.

    Args:
        path: The file, for messages.
        file: The file.

    Returns:
        The events, and notes on what a user may not expect.

    Raises:
        UserError: The file cannot be read, has other separators, or too many malformed lines.
    """
    head = first_lines(file, "the item ids of a user, with blanks between")
    if any("\t" in line for line in head):
        raise UserError(
            f"{path} has tabs, and a line of this format is item ids with blanks between: give another file"
        )
    _check_blanks(path, head)
    return _read(file, lambda text: UserLine("", _ids(text)))


def _check_blanks(path: Path, sequences: Sequence[str]) -> None:
    """Raise UserError where items have commas between them."""
    for separator, name in ((",", "commas"), (";", "semicolons")):
        if any(separator in text for text in sequences) and not any(" " in text.strip() for text in sequences):
            raise UserError(f"{path} has {name} between items, and the format has blanks: write blanks")


def _user_line(text: str) -> UserLine | None:
    """Return a line with a user; None for one that names columns."""
    user, tab, items = text.partition("\t")
    if not tab or "\t" in items:
        raise ValueError("not one tab")
    if "user" in find_columns([user], EVENT_NAMES) and not any(map(str.isdigit, items)):
        return None
    return UserLine(checked_id(user), _ids(items))


def _ids(text: str) -> list[str]:
    return [checked_id(item) for item in text.split()]


def _read(file: RawFile, parse: Callable[[str], UserLine | None]) -> tuple[Events, list[str]]:
    """Read all lines."""
    log, seen = EventLog(), set()
    empty = again = number = 0
    for line in file.parsed(parse):
        if line is None:
            continue
        number += 1
        user = line.user or str(number)
        empty += not line.items
        again += user in seen
        seen.add(user)
        for item in line.items:
            log.add(user, item)
    said = ((empty, "users have no item"), (again, "further lines of users who had one are joined to it"))
    return log.in_order(), [f"{count:,} {what}" for count, what in said if count]
