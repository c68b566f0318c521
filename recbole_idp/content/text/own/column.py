"""Read vectors from a column of an ``.item`` file."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from recbole_idp.content.text.own.table import VectorTable, checked_table
from recbole_idp.data.atomic import check_ids, read_atomic
from recbole_idp.data.item_text import check_distinct
from recbole_idp.errors import UserError, nearest

if TYPE_CHECKING:
    from recbole_idp.data.item_text import ItemFileFormat


def read_column(path: Path, column: str, item_field: str, file_format: ItemFileFormat) -> VectorTable:
    """Read a ``float_seq`` column of an ``.item`` file, once in a process as long as the file does not change.

    Args:
        path: The file.
        column: Name of the column. Its numbers are separated by spaces; an empty field is an item without a vector.
        item_field: The column of item ids.
        file_format: Format of the file.

    Returns:
        The vectors by item id.

    Raises:
        UserError: The file or the column is missing, or holds something else.
    """
    try:
        state = path.stat()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): give a file of vectors instead") from error
    return _read(path, column, item_field, file_format, (state.st_mtime_ns, state.st_size))


@functools.lru_cache(maxsize=32)
def _read(path: Path, column: str, item_field: str, file_format: ItemFileFormat, state: tuple[int, int]) -> VectorTable:
    """Read a column; ``state`` says when the file's content is another one."""

    def choose(types: dict[str, str]) -> list[str]:
        """Return the columns to read of a file with these columns."""
        if item_field not in types:
            raise UserError(f"{path} has no column {item_field!r} of item ids; it has {', '.join(types)}")
        if types.get(column) != "float_seq":
            vectors = [name for name, kind in types.items() if kind == "float_seq"]
            close = nearest(column, vectors)
            hint = f" (did you mean {close[0]!r}?)" if close else ""
            there = (
                f"column {column!r} is of type {types[column]}" if column in types else f"no column {column!r}{hint}"
            )
            raise UserError(f"{path}: {there}: name a column of type float_seq; it has {', '.join(vectors) or 'none'}")
        return [item_field, column]

    frame = read_atomic(path, choose, file_format.separator, file_format.encoding)
    check_ids(frame[item_field], path)
    check_distinct(frame[item_field], path)
    ids, rows = [], []
    for number, (token, text) in enumerate(zip(frame[item_field], frame[column], strict=True), 2):
        if not (parts := text.split()):
            continue
        try:
            rows.append(np.array(parts, dtype=np.float64))
        except ValueError:
            raise UserError(f"{path}, line {number}: {column} has a value that is no number: correct it") from None
        if len(rows[-1]) != len(rows[0]):
            raise UserError(
                f"{path}, line {number}: {column} has {len(rows[-1])} numbers, and {len(rows[0])} on lines before: "
                "write one width"
            )
        ids.append(token)
    if not rows:
        raise UserError(f"{path}: column {column} has no vector: write numbers, separated by spaces")
    return checked_table(f"{path} (column {column})", np.stack(rows), ids, str(path))
