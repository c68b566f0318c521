"""Histories of many users from a file, one after the other."""

from array import array
from pathlib import Path

import numpy as np

from recbole_idp.errors import UserError
from recbole_idp.storage.files import sha256_of_file

_COLUMNS = ("user_id", "item_id", "timestamp")
_TYPES = ("token", "float", "token_seq", "float_seq")


class UsersFile:
    """A file of histories, in one of two forms.

    - ``user<TAB>item item item``, the latest item last: read line by line, whatever its length;
    - an ``.inter`` file, whose first line names the columns: put in the order of users and times first, which takes 16
      bytes an event and the ids themselves.

    Args:
        path (str | Path): The file.

    Attributes:
        is_inter (bool): Whether it has the second form.

    Raises:
        UserError: There is no such file.
    """

    def __init__(self, path):
        self.path = Path(path)
        if not self.path.is_file():
            raise UserError(f"there is no file {self.path}: give --users a file with user<TAB>item item item a line")
        with self._opened() as file:
            first = next((line for line in file if line.strip()), None)
        if first is None:
            raise UserError(f"{self.path} is empty: write user<TAB>item item item, one user a line")
        self._header = self._columns(first)
        self.is_inter = self._header is not None

    def digest(self):
        """Return a hash of the content."""
        return sha256_of_file(self.path)

    def count_lines(self):
        """Return about how many lines there are, for a progress bar."""
        with self._opened() as file:
            return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))

    def __iter__(self):
        """Yield each user and the list of its items.

        Raises:
            UserError: A line is of another form.
        """
        return self._users_of_events() if self.is_inter else self._users_of_lines()

    def _opened(self):
        try:
            return open(self.path, "rb")
        except OSError as error:
            raise UserError(f"cannot read {self.path} ({error.strerror}): check its permissions") from error

    def _lines(self):
        """Yield the number and the fields of each line that is not blank."""
        with self._opened() as file:
            for number, line in enumerate(file, 1):
                try:
                    text = line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
                except UnicodeDecodeError:
                    raise self._wrong(number, "is not UTF-8 text: convert the file") from None
                if text.strip():
                    yield number, text.split("\t")

    def _users_of_lines(self):
        for number, fields in self._lines():
            if len(fields) != 2 or not fields[0]:
                raise self._wrong(number, f"has {len(fields)} fields: write user<TAB>item item item, one tab a line")
            yield fields[0], fields[1].split()

    def _users_of_events(self):
        users, items, times = {}, {}, array("d")
        user_of, item_of = array("i"), array("i")
        rows = self._lines()
        next(rows)
        places = [self._header.get(name) for name in _COLUMNS]
        for number, fields in rows:
            if len(fields) != len(self._header):
                raise self._wrong(number, f"has {len(fields)} of {len(self._header)} fields")
            user, item = fields[places[0]], fields[places[1]]
            if not user or not item:
                raise self._wrong(number, "has an empty id: fill it in or drop the line")
            user_of.append(users.setdefault(user, len(users)))
            item_of.append(items.setdefault(item, len(items)))
            if places[2] is not None:
                times.append(self._time(number, fields[places[2]]))
        if not user_of:
            raise UserError(f"{self.path} has no rows: nothing follows its first line")
        by_time = (np.frombuffer(times),) if times else ()
        user_of, item_of = np.frombuffer(user_of, np.int32), np.frombuffer(item_of, np.int32)
        order = np.lexsort((*by_time, user_of))
        ends = np.cumsum(np.bincount(user_of))
        names = list(items)
        for user, start, end in zip(users, [0, *ends[:-1]], ends, strict=True):
            yield user, [names[item] for item in item_of[order[start:end]]]

    def _time(self, number, text):
        try:
            time = float(text)
        except ValueError:
            time = float("nan")
        if not np.isfinite(time):
            raise self._wrong(number, f"has the timestamp {text!r}, not a finite number: correct or drop it")
        return time

    def _columns(self, first):
        """Return the place of each column that an ``.inter`` file's first line names, or None where it names none."""
        names = first.decode("utf-8-sig", "replace").rstrip("\r\n").split("\t")
        columns = {name.rpartition(":")[0]: place for place, name in enumerate(names)}
        if not all(name.rpartition(":")[2] in _TYPES for name in names):
            return None
        if missing := [name for name in _COLUMNS[:2] if name not in columns]:
            lacks = f"names no column {', '.join(missing)}"
            raise self._wrong(1, f"{lacks}: add it, or write user<TAB>item item item a line")
        if len(columns) < len(names):
            raise self._wrong(1, "names a column twice: rename or drop one")
        return columns

    def _wrong(self, number, what):
        return UserError(f"{self.path}, line {number} {what}")
