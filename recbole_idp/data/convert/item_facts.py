"""Collect the texts of some items from files that describe more of them, and some twice."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple

import pandas as pd

from recbole_idp.data.convert.events import checked_id
from recbole_idp.data.convert.lines import RawFile
from recbole_idp.data.convert.tables import ITEM_NAMES, find_columns
from recbole_idp.data.html_text import clean

MOST_CHARACTERS = 2000
"""No text encoder reads more characters of a description than this."""


class ItemFacts:
    """Texts of some items. Of several rows for one, the first counts.

    Args:
        wanted: The ids of the items.
        columns: Name -> type of each column besides the id.

    Attributes:
        columns: The columns.
        example: An id of the file; empty before the first.
        repeated: Rows of items that were described before.
        notes: What a user may not expect.
    """

    def __init__(self, wanted: Collection[str], columns: Mapping[str, str]) -> None:
        self._wanted, self.columns = set(wanted), dict(columns)
        self._found: dict[str, tuple[str, ...]] = {}
        self.example, self.repeated = "", 0
        self.notes: list[str] = []

    @property
    def described(self) -> int:
        """The number of items that are described."""
        return len(self._found)

    def knows(self, item: str) -> bool:
        """Return whether an item that is wanted is described."""
        return item in self._found

    def add(self, item: str, texts: Sequence[str]) -> None:
        """Add the row of an item, which may be none of those that are wanted.

        Args:
            item: Its id.
            texts: The value of each column.
        """
        self.example = self.example or item
        if item not in self._wanted:
            return
        if item in self._found:
            self.repeated += 1
        else:
            self._found[item] = tuple(clean(text)[:MOST_CHARACTERS].rstrip() for text in texts)

    def table(self, items: Sequence[str]) -> Table:
        """Return a row for each of some items, with empty texts for those that are not described."""
        nothing = ("",) * len(self.columns)
        rows = [(item, *self._found.get(item, nothing)) for item in items]
        untold = sum(not any(row[1:]) for row in rows)
        return Table(pd.DataFrame(rows, columns=["item_id", *self.columns], dtype=object), untold)


class Table(NamedTuple):
    """Rows of an ``.item`` file.

    Attributes:
        frame: The rows.
        without_text: How many have no text at all.
    """

    frame: pd.DataFrame
    without_text: int


def read_item_rows(
    file: RawFile, separator: str, facts: ItemFacts, texts_of: Callable[[list[str]], Sequence[str]]
) -> ItemFacts:
    """Read a table of which each row is an item's id and its texts. A first row that names columns is left out.

    Args:
        file: The table.
        separator: What stands between two fields.
        facts: Where the rows go.
        texts_of: Returns, of the fields after the id, the value of each column of ``facts``; raises ValueError where
            there are too few or too many.

    Returns:
        ``facts``.

    Raises:
        UserError: The file cannot be read, or too many of its rows are malformed.
    """
    first = True

    def parse(fields: list[str]) -> tuple[str, Sequence[str]] | None:
        nonlocal first
        if not fields:
            # A line of nothing but a byte order mark.
            raise ValueError("no fields")
        is_header, first = first and "item" in find_columns(fields[:1], ITEM_NAMES), False
        return None if is_header else (checked_id(fields[0]), texts_of(fields[1:]))

    for row in file.parsed_rows(separator, parse):
        if row is not None:
            facts.add(*row)
    return facts
