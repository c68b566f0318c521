"""Read rows of a CSV whose fields may stand in quotation marks, all of one number of fields."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from recbole_idp.data.convert.lines import RawFile
from recbole_idp.data.convert.sequence_lines import first_lines
from recbole_idp.errors import UserError

_Row = TypeVar("_Row")


def read_csv_rows(
    file: RawFile, width: int, header: bool, parse: Callable[[list[str]], _Row], separator: str = ","
) -> Iterator[_Row]:
    """Yield the rows of a file, without its header.

    Args:
        file: The file.
        width: Number of fields; rows with another one are malformed.
        header: Whether the first row names the columns.
        parse: Parses the fields; raises ValueError for a malformed row.
        separator: What stands between two fields.

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

        yield from (row for row in file.parsed_rows(separator, below) if row is not None)
    else:
        yield from file.parsed_rows(separator, checked)


def column_names(file: RawFile, needed: Sequence[str], optional: Sequence[str] = (), separator: str = ",") -> list[str]:
    """Return the names of the columns, which stand in the first line.

    Args:
        file: The file.
        needed: Columns that must be there.
        optional: Others that are read.
        separator: What stands between two fields.

    Raises:
        UserError: The file is empty or no text; a column that is needed is missing, or one that is read is there twice.
    """
    line = first_lines(file, ", ".join(needed))[0]
    names = [name.strip().strip('"').strip() for name in line.split(separator)]
    if missing := [name for name in needed if name not in names]:
        shown = ", ".join(names[:12])[:200]
        between = {",": "commas", "\t": "tabs", ";": "semicolons"}.get(separator, separator)
        raise UserError(
            f"{file.path}, line 1 has no column {' and no '.join(missing)}, with {between} between; it has {shown}"
        )
    if twice := [name for name in (*needed, *optional) if names.count(name) > 1]:
        raise UserError(f"{file.path}, line 1 has the column {twice[0]} twice: rename or drop one")
    return names
