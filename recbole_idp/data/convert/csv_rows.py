"""Read rows of a CSV whose fields may stand in quotation marks, all of one number of fields."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from recbole_idp.data.convert.lines import RawFile

_Row = TypeVar("_Row")


def read_csv_rows(file: RawFile, width: int, header: bool, parse: Callable[[list[str]], _Row]) -> Iterator[_Row]:
    """Yield the rows of a file, without its header.

    Args:
        file: The file.
        width: Number of fields; rows with another one are malformed.
        header: Whether the first row names the columns.
        parse: Parses the fields; raises ValueError for a malformed row.

    Raises:
        UserError: The file cannot be read, a quotation mark is not closed, or too many rows are malformed.
    """

    def checked(fields: list[str]) -> _Row:
        if len(fields) != width:
            raise ValueError(f"{len(fields)} fields")
        return parse(fields)

    if header:
        named = False

        def below(fields: list[str]) -> _Row | None:
            nonlocal named
            if not named:
                named = True
                return None
            return checked(fields)

        yield from (row for row in file.parsed_rows(",", below) if row is not None)
    else:
        yield from file.parsed_rows(",", checked)
