"""Read the histories of many users from a file, one after the other."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pandas as pd

from recbole_idp.config.columns import USUAL_NAMES
from recbole_idp.data.times import BadTimeError, is_date, not_a_time, seconds_of
from recbole_idp.errors import UserError
from recbole_idp.storage.files import sha256_of_file

MOST_LINE_BYTES = 1 << 22
"""The longest line that is read."""

_KEYS = ("USER_ID_FIELD", "ITEM_ID_FIELD", "TIME_FIELD")
_COLUMNS = tuple(USUAL_NAMES[key] for key in _KEYS)
_TYPES = ("token", "float", "token_seq", "float_seq")


def event_columns(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the columns of user, item and time that a model was trained with.

    Args:
        config: Its configuration, in which keys may be missing.
    """
    return tuple(str(config.get(key, USUAL_NAMES[key])) for key in _KEYS)


class UsersFile:
    """A file of histories, in one of two formats.

    - ``user<TAB>item item item``, the latest item last: read line by line, in constant memory;
    - an ``.inter`` file, whose first line names the columns: sorted by user and time in memory, 16 bytes an event and
      the ids.

    Args:
        path: The file.
        names: The columns of user, item and time in the second format; where it lacks them, RecBole's usual names.

    Attributes:
        is_inter (bool): Whether it has the second format.

    Raises:
        UserError: There is no such file.
    """

    def __init__(self, path: str | Path, names: Sequence[str] = _COLUMNS) -> None:
        self.path = Path(path)
        self._names = names
        if not self.path.is_file():
            raise UserError(f"there is no file {self.path}: give --users a file with user<TAB>item item item a line")
        with self._opened() as file:
            first = next((line for _, line in self._limited(file) if line.strip()), None)
        if first is None:
            raise UserError(f"{self.path} is empty: write user<TAB>item item item, one user a line")
        self._header = self._columns(first)
        self.is_inter = self._header is not None

    def digest(self) -> str:
        """Return the SHA-256 of the content."""
        return sha256_of_file(self.path)

    def count_lines(self) -> int:
        """Count the lines, for a progress bar; a last line without a line break does not count."""
        with self._opened() as file:
            return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))

    def __iter__(self) -> Iterator[tuple[str, list[str]]]:
        """Yield each user and the list of its items.

        Raises:
            UserError: A line has another format.
        """
        return self._users_of_events() if self.is_inter else self._users_of_lines()

    def _opened(self) -> BinaryIO:
        """Open the file; raise UserError if it cannot be read."""
        try:
            return open(self.path, "rb")
        except OSError as error:
            raise UserError(f"cannot read {self.path} ({error.strerror}): check its permissions") from error

    def _limited(self, file: BinaryIO) -> Iterator[tuple[int, bytes]]:
        """Yield the number and the bytes of each line; raise UserError for one that is too long."""
        for number, line in enumerate(iter(lambda: file.readline(MOST_LINE_BYTES + 1), b""), 1):
            if len(line) > MOST_LINE_BYTES:
                raise self._wrong(number, f"has more than {MOST_LINE_BYTES:,} bytes: give another file")
            yield number, line

    def _lines(self) -> Iterator[tuple[int, list[str]]]:
        """Yield the number and the fields of each line that is not blank."""
        with self._opened() as file:
            for number, line in self._limited(file):
                try:
                    text = line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
                except UnicodeDecodeError:
                    raise self._wrong(number, "is not UTF-8 text: convert the file") from None
                if text.strip():
                    yield number, text.split("\t")

    def _users_of_lines(self) -> Iterator[tuple[str, list[str]]]:
        """Yield users and items of the first format."""
        for number, fields in self._lines():
            if len(fields) != 2 or not fields[0]:
                raise self._wrong(number, f"has {len(fields)} fields: write user<TAB>item item item, one tab a line")
            yield fields[0], fields[1].split()

    def _users_of_events(self) -> Iterator[tuple[str, list[str]]]:
        """Yield users and items of an ``.inter`` file, in the order of its users."""
        header = self._header
        assert header is not None  # as of an .inter file
        users: dict[str, int] = {}
        items: dict[str, int] = {}
        times = _Times()
        user_of, item_of = array("i"), array("i")
        rows = self._lines()
        next(rows)
        places = [header.get(name, header.get(usual)) for name, usual in zip(self._names, _COLUMNS, strict=True)]
        user_place, item_place, time_place = places
        assert user_place is not None and item_place is not None  # as checked with the header
        for number, fields in rows:
            if len(fields) != len(header):
                raise self._wrong(number, f"has {len(fields)} of {len(header)} fields")
            user, item = fields[user_place], fields[item_place]
            if not user or not item:
                raise self._wrong(number, "has an empty id: fill it in or drop the line")
            user_of.append(users.setdefault(user, len(users)))
            item_of.append(items.setdefault(item, len(items)))
            if time_place is not None:
                try:
                    times.append(number, fields[time_place])
                except ValueError as error:
                    raise self._wrong(number, f"has the timestamp {fields[time_place]!r}, {error}") from None
        if not user_of:
            raise UserError(f"{self.path} has no rows: nothing follows its first line")
        try:
            by_time = () if time_place is None else (times.seconds(),)
        except BadTimeError as error:
            number, text = times.lines[error.row], times.texts[error.row]
            raise self._wrong(number, f"has the timestamp {text!r}, {error.why}") from None
        event_users, event_items = np.frombuffer(user_of, np.int32), np.frombuffer(item_of, np.int32)
        order = np.lexsort((*by_time, event_users))
        ends = np.cumsum(np.bincount(event_users))
        names = list(items)
        for user, start, end in zip(users, [0, *ends[:-1]], ends, strict=True):
            yield user, [names[item] for item in event_items[order[start:end]]]

    def _columns(self, first: bytes) -> dict[str, int] | None:
        """Return the position of each column in the first line of an ``.inter`` file; None for the other format."""
        names = first.decode("utf-8-sig", "replace").rstrip("\r\n").split("\t")
        columns = {name.rpartition(":")[0]: place for place, name in enumerate(names)}
        if not all(name.rpartition(":")[2] in _TYPES for name in names):
            return None
        named = list(zip(self._names, _COLUMNS, strict=True))[:2]
        if missing := [name for name, usual in named if name not in columns and usual not in columns]:
            lacks = f"names no column {', '.join(missing)}"
            raise self._wrong(1, f"{lacks}: add it, or write user<TAB>item item item a line")
        if len(columns) < len(names):
            raise self._wrong(1, "names a column twice: rename or drop one")
        return columns

    def _wrong(self, number: int, what: str) -> UserError:
        """Make the error of a line."""
        return UserError(f"{self.path}, line {number} {what}")


class _Times:
    """The times of events: numbers, or dates, which are read together at the end.

    Attributes:
        texts: The dates.
        lines: The number of the line of each date.
    """

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.lines = array("q")
        self._numbers = array("d")

    def append(self, line: int, text: str) -> None:
        """Add the time of a line; raise ValueError with what is wrong with it."""
        if self.texts or (not self._numbers and is_date(text)):
            self.texts.append(text)
            self.lines.append(line)
            return
        try:
            number = float(text)
        except ValueError:
            number = float("nan")
        if not np.isfinite(number):
            raise ValueError(not_a_time(text, among_numbers=True))
        self._numbers.append(number)

    def seconds(self) -> np.ndarray:
        """Return all times; raise BadTimeError for an invalid date."""
        return seconds_of(pd.Series(self.texts)) if self.texts else np.frombuffer(self._numbers)
