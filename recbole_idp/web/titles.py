"""Find items by what people type: the beginning of a title, words of it, or an id."""

from __future__ import annotations

import sqlite3
from bisect import bisect_left
from collections.abc import Iterator, Sequence

from recbole_idp.errors import UserError

_MOST_WORDS = 8
# Of each way of finding so many are looked at, the first in the order of items, so that "a" is answered as quickly as
# a whole title.
_CANDIDATES = 500


class TitleSearch:
    """Search among the titles and ids of items, by SQLite's full-text index (FTS5) in memory.

    The best come first: the item of this id, titles that begin with what was typed, titles that have all of its words,
    titles with words that begin like them, ids that begin so. Among equal ones the shorter title comes first, and then
    the item with the lower number. Case and accents do not matter.

    Args:
        numbers: Number of each item.
        ids: Their ids.
        titles: Their titles, empty where there is none.

    Raises:
        UserError: The SQLite of this Python has no full-text index.
    """

    def __init__(self, numbers: Sequence[int], ids: Sequence[str], titles: Sequence[str]) -> None:
        self._title_of = dict(zip(numbers, titles, strict=True))
        self._ids = sorted((token.casefold(), number) for token, number in zip(ids, numbers, strict=True))
        # One thread at a time uses it, not always the one that made it.
        self._index = sqlite3.connect(":memory:", check_same_thread=False)
        # The index alone, without the titles: these are at hand.
        options = """content='', tokenize="unicode61 remove_diacritics 2", prefix='1 2 3'"""
        try:
            self._index.execute(f"CREATE VIRTUAL TABLE titles USING fts5(title, {options})")
        except sqlite3.OperationalError as error:
            raise UserError(f"the search of titles needs SQLite with FTS5 ({error}): use another Python") from None
        with self._index:
            rows = ((number, title) for number, title in self._title_of.items() if title)
            self._index.executemany("INSERT INTO titles(rowid, title) VALUES (?, ?)", rows)

    def find(self, query: str, limit: int) -> list[int]:
        """Return the numbers of the items that a query means, the best first.

        Args:
            query: What was typed.
            limit: The most items to return.
        """
        found: dict[int, None] = {}
        for numbers in self._ways(query):
            found.update(dict.fromkeys(numbers))
            if len(found) >= limit:
                break
        return list(found)[:limit]

    def _ways(self, query: str) -> Iterator[list[int]]:
        """Yield what each way of finding finds, the best way first."""
        typed = query.strip().casefold()
        if not typed:
            return
        yield self._with_id(typed, whole=True)
        # Quotation marks end a string of FTS5. NUL ends the query.
        words = [word.replace('"', " ").replace("\0", " ") for word in typed.split()]
        words = [word for word in words if any(map(str.isalnum, word))][:_MOST_WORDS]
        if words:
            yield self._matching(f'^ "{" ".join(words)}" *')
            yield self._matching(" AND ".join(f'"{word}"' for word in words))
            yield self._matching(" AND ".join(f'"{word}" *' for word in words))
        yield self._with_id(typed, whole=False)

    def _matching(self, expression: str) -> list[int]:
        """Return the items whose titles match an expression of FTS5, the shortest title first."""
        sql = "SELECT rowid FROM titles WHERE titles MATCH ? LIMIT ?"
        rows = [row for (row,) in self._index.execute(sql, (expression, _CANDIDATES))]
        return sorted(rows, key=lambda number: (len(self._title_of[number]), number))

    def _with_id(self, typed: str, whole: bool) -> list[int]:
        """Return the items whose id is what was typed, or begins with it."""
        first = bisect_left(self._ids, (typed,))
        found = []
        for token, number in self._ids[first : first + _CANDIDATES]:
            if token != typed and (whole or not token.startswith(typed)):
                break
            found.append(number)
        return found
