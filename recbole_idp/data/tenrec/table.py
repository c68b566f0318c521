"""Read Tenrec's csv files in blocks: users, items, one column of behaviour, and facts of users and items."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from recbole_idp.data.convert.blocks import BLOCK_BYTES, Block, read_blocks
from recbole_idp.errors import UserError

USER_FACTS = ("age", "gender")
ITEM_FACTS = ("video_category", "category_first", "category_second")

_IDS = ("user_id", "item_id")
_MISSING = ["", "\\N"]
# The most that a float64 column holds exactly.
_MOST = 2**53
_NO_ID = "not a whole number from 0 on, below 2^53"
_COMMA, _NEWLINE = ord(","), ord("\n")


class Layout(NamedTuple):
    """The columns of a file.

    Attributes:
        path: The file.
        names: All of its columns, in order.
        behaviour: The column that says which rows are kept.
    """

    path: Path
    names: tuple[str, ...]
    behaviour: str

    def facts(self, known: Sequence[str]) -> tuple[str, ...]:
        """Return those of some columns that the file has."""
        return tuple(name for name in known if name in self.names)


class Rows(NamedTuple):
    """The kept rows of a block.

    Attributes:
        read: How many rows the block has.
        values: Whole numbers by column: ids, and facts, which are -1 where they are missing; int64, each of length R.
        hashes: A number for each row, by which equal rows are known; uint64, shape [R].
    """

    read: int
    values: dict[str, np.ndarray]
    hashes: np.ndarray


def read_layout(path: Path, behaviour: str) -> Layout:
    """Read the first line of a file.

    Args:
        path: The file.
        behaviour: The column that says which rows are kept.

    Raises:
        UserError: The file cannot be read, or lacks a column.
    """
    first = next(read_blocks(path, size=1 << 16, progress=False), None)
    if first is None:
        raise UserError(f"{path} is empty: its first line must name the columns, as in user_id,item_id,click")
    header = first.data.partition(b"\n")[0].decode("utf-8")
    names = tuple(name.strip() for name in header.split(","))
    shown = ", ".join(names[:25])[:300]
    if "\r" in header:
        raise UserError(f"{path} has carriage returns alone as line ends: save it with line feeds (\\n)")
    if missing := [name for name in (*_IDS, behaviour) if name not in names]:
        raise UserError(
            f"{path}, line 1: there is no column {' and no '.join(missing)}, which Tenrec's files have; it has {shown}"
        )
    used = (*_IDS, behaviour, *USER_FACTS, *ITEM_FACTS)
    if twice := [name for name in used if names.count(name) > 1]:
        raise UserError(f"{path}, line 1: the column {twice[0]} occurs twice: rename or drop one")
    return Layout(path, names, behaviour)


def read_rows(layout: Layout) -> Iterator[Rows]:
    """Yield the rows of a file of which the behaviour is 1, block by block.

    Args:
        layout: The columns of the file.

    Raises:
        UserError: The file cannot be read, or a row is malformed.
    """
    for block in read_blocks(layout.path, BLOCK_BYTES):
        body = block
        if block.first == 1:
            body = Block(2, block.data.partition(b"\n")[2])
        if body.data:
            yield _rows(layout, body)


def _rows(layout: Layout, block: Block) -> Rows:
    """Parse a block."""
    count = _check_fields(layout, block)
    facts = layout.facts((*USER_FACTS, *ITEM_FACTS))
    frame = _parse(layout, block, (layout.behaviour, *facts))
    if len(frame) != count:
        raise UserError(f"{layout.path}, line {block.first} and after it: a row holds a control character")
    for name in _IDS:
        ids = frame[name].to_numpy()
        _check(layout, block, name, (ids < 0) | (ids >= _MOST), _NO_ID)
    done = frame[layout.behaviour].to_numpy()
    _check(layout, block, layout.behaviour, ~(np.isnan(done) | (done == 0) | (done == 1)), "neither 0 nor 1")
    for name in facts:
        given = frame[name].to_numpy()
        with np.errstate(invalid="ignore"):
            wrong = (given < 0) | (given >= _MOST) | (given != np.floor(given)) & ~np.isnan(given)
        _check(layout, block, name, wrong, "not a whole number from 0 on")
    kept = np.flatnonzero(done == 1)
    values = {name: frame[name].to_numpy()[kept] for name in _IDS}
    values |= {name: np.nan_to_num(frame[name].to_numpy()[kept], nan=-1).astype(np.int64) for name in facts}
    return Rows(count, values, _hashes(block, kept))


def _check_fields(layout: Layout, block: Block) -> int:
    """Check that every row has as many fields as the first line, and return the number of rows."""
    characters = np.frombuffer(block.data, dtype=np.uint8)
    ends = np.flatnonzero(characters == _NEWLINE)
    fields = np.diff(np.searchsorted(np.flatnonzero(characters == _COMMA), ends), prepend=0) + 1
    wrong = np.flatnonzero(fields != len(layout.names))
    if len(wrong):
        where = f"{layout.path}, line {block.first + wrong[0]}"
        raise UserError(f"{where} has {fields[wrong[0]]} of {len(layout.names)} fields: correct or drop the line")
    return len(ends)


def _parse(layout: Layout, block: Block, numbers: Sequence[str]) -> pd.DataFrame:
    """Return ids as int64, and numbers as float64 with NaN for what is missing."""
    options: dict[str, Any] = {
        "header": None,
        "names": range(len(layout.names)),
        "usecols": [layout.names.index(name) for name in (*_IDS, *numbers)],
        "engine": "c",
        "quoting": 3,
        "keep_default_na": False,
        "lineterminator": "\n",
        "skip_blank_lines": False,
        "index_col": False,
    }
    titles = {layout.names.index(name): name for name in (*_IDS, *numbers)}
    kinds = {place: np.int64 if name in _IDS else np.float64 for place, name in titles.items()}
    missing = {place: _MISSING for place, name in titles.items() if name not in _IDS}
    try:
        # Numbers that no int64 holds are cast with a warning, and refused afterwards.
        with np.errstate(invalid="ignore"):
            frame = pd.read_csv(io.BytesIO(block.data), dtype=kinds, na_values=missing, **options)
    except (ValueError, OverflowError):
        # pandas does not say where; read texts to find the line. Whole numbers such as 7.0 are taken.
        texts = pd.read_csv(io.BytesIO(block.data), dtype=str, na_filter=False, **options)
        return pd.DataFrame({name: _numbers(layout, block, name, texts[place]) for place, name in titles.items()})
    return frame.rename(columns=titles)


def _numbers(layout: Layout, block: Block, name: str, texts: pd.Series) -> np.ndarray:
    """Return the numbers in a column of texts."""
    values = pd.to_numeric(texts, errors="coerce").to_numpy(dtype=np.float64)
    if name not in _IDS:
        _check(layout, block, name, np.isnan(values) & ~texts.isin(_MISSING).to_numpy(), "no number")
        return values
    with np.errstate(invalid="ignore"):
        whole = (values == np.floor(values)) & (values >= 0)
    _check(layout, block, name, ~whole | (values >= _MOST), _NO_ID)
    return values.astype(np.int64)


def _check(layout: Layout, block: Block, name: str, wrong: np.ndarray, what: str) -> None:
    """Raise UserError for the first row in which a value is wrong."""
    if not wrong.any():
        return
    row = int(np.argmax(wrong))
    field = block.data.split(b"\n", row + 1)[row].split(b",")[layout.names.index(name)].decode("utf-8")
    where = f"{layout.path}, line {block.first + row}"
    raise UserError(f"{where}: {name} is {field[:60]!r}, {what}: correct or drop the line")


def _hashes(block: Block, kept: np.ndarray) -> np.ndarray:
    """Return a number for the text of each kept row."""
    if not len(kept):
        return np.zeros(0, dtype=np.uint64)
    lines = block.data.split(b"\n")
    texts = np.empty(len(kept), dtype=object)
    texts[:] = [lines[row].decode("utf-8") for row in kept]
    return pd.util.hash_array(texts, categorize=False)
