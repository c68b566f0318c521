"""Read the vectors of UniSRec's published data: raw numbers, and a list of items (arXiv 2206.05941)."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from recbole_idp.content.text.own.table import VectorTable, checked_table
from recbole_idp.errors import UserError

_NAME = re.compile(r"\.feat\d+[A-Za-z]+$")


def is_unisrec(path: Path) -> bool:
    """Return whether a file is named as those of UniSRec: ``Scientific.feat1CLS``."""
    return _NAME.search(path.name) is not None


def read_unisrec(path: Path) -> VectorTable:
    """Read ``NAME.feat1CLS``: numbers of 32 bits without a header, row by row.

    ``NAME.item2index`` beside it has the id of an item and the number of its row in each line. UniSRec's own files of
    interactions name items by these numbers, others by their ids: the items of a dataset decide which are meant.

    Args:
        path: The file.

    Returns:
        The vectors by item id; :attr:`VectorTable.row_of_number` has the numbers.

    Raises:
        UserError: The list of items is missing or wrong, or the file has not as many numbers for each.
    """
    index = path.with_suffix(".item2index")
    if not index.is_file():
        raise UserError(f"{path} has no header, and {index.name} is not beside it: give the list of its items as well")
    rows = _read_index(index)
    size, count = path.stat().st_size, len(rows)
    if not size or size % (4 * count):
        raise UserError(
            f"{path} has {size:,} bytes, which are not numbers of 32 bits for each of the {count:,} items of "
            f"{index.name}: give the files that belong together"
        )
    ids = [""] * count
    for token, row in rows.items():
        ids[row] = token
    vectors = np.memmap(path, dtype="<f4", mode="r", shape=(count, size // (4 * count)))
    numbers = {str(row): row for row in range(count)}
    return checked_table(str(path), vectors, ids, str(index), numbers)


def _read_index(path: Path) -> dict[str, int]:
    """Return the row of each item; the rows are 0 to N - 1, each once."""
    rows: dict[str, int] = {}
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({' '.join(str(error).split())[:200]}): write it again") from error
    for number, line in enumerate(text.rstrip("\n").split("\n"), 1):
        token, separator, row = line.rstrip("\r").rpartition("\t")
        if not separator or not token or not re.fullmatch("[0-9]{1,12}", row):
            raise UserError(f"{path}, line {number}: write an item's id, a tab and the number of its row")
        if token in rows:
            raise UserError(f"{path}, line {number}: the item occurs twice: leave one line out")
        rows[token] = int(row)
    if sorted(rows.values()) != list(range(len(rows))):
        raise UserError(
            f"{path}: its numbers are not 0 to {len(rows) - 1:,}, each once: give the list that UniSRec wrote"
        )
    return rows
