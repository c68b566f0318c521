"""Vectors that a user brings, by item id."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from recbole_idp.errors import UserError
from recbole_idp.terminal.printable import printable

_BLOCK_BYTES = 1 << 26
# The widest vectors of today's encoders have some thousand numbers.
_MOST_WIDTH = 1 << 17


@dataclass(frozen=True)
class VectorTable:
    """Vectors by item id. N items, W width.

    Attributes:
        source: The file, and what in it, for messages.
        vectors: Of any floating-point type, and finite; it may lie in the file; shape [N, W].
        row_of: Row of each id.
        row_of_number: Where the file may as well be meant by its row numbers (see
            :func:`~recbole_idp.content.text.own.unisrec.read_unisrec`): row of each number; else None.
    """

    source: str
    vectors: np.ndarray
    row_of: Mapping[str, int]
    row_of_number: Mapping[str, int] | None = None

    @property
    def width(self) -> int:
        """Length of a vector."""
        return self.vectors.shape[1]

    def rows_of(self, tokens: Sequence[str]) -> np.ndarray:
        """Return the row of each item; -1 for an item without a vector, or with one of zeros; int64.

        Args:
            tokens: Item ids of a whole dataset: they decide whether ids or row numbers are meant.

        Raises:
            UserError: Ids and row numbers fit the items equally well, and differ.
        """
        rows = np.array([self.row_of.get(token, -1) for token in tokens], dtype=np.int64)
        if self.row_of_number is not None:
            numbered = np.array([self.row_of_number.get(token, -1) for token in tokens], dtype=np.int64)
            by_id, by_number = int((rows >= 0).sum()), int((numbered >= 0).sum())
            if by_id == by_number > 0 and (rows != numbered).any():
                raise UserError(
                    f"{self.source}: the items' ids may be its ids and its row numbers alike: write the vectors as "
                    ".npy with a file of ids beside it"
                )
            rows = rows if by_id >= by_number else numbered
        return np.where(np.isin(rows, self.empty_rows), -1, rows)

    def take(self, rows: np.ndarray) -> np.ndarray:
        """Return the vectors of R rows; float32, shape [R, W]."""
        return np.asarray(self.vectors[rows], dtype=np.float32)

    @functools.cached_property
    def empty_rows(self) -> np.ndarray:
        """Rows of zeros: an item whose vector is zero counts as one without a vector; int64."""
        return np.concatenate([start + np.flatnonzero(~block.any(1)) for start, block in blocks_of(self.vectors)])

    @functools.cached_property
    def digest(self) -> str:
        """Hexadecimal digits of the hash of ids and vectors, whatever file they came from."""
        digest = hashlib.sha256(json.dumps([self.width, list(self.row_of.items())]).encode())
        for _, block in blocks_of(self.vectors):
            digest.update(np.ascontiguousarray(block, dtype="<f4").data)
        return digest.hexdigest()


def blocks_of(vectors: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Yield blocks of rows as float32, with the number of their first row, so that no second table is in memory."""
    rows = max(1, _BLOCK_BYTES // (4 * vectors.shape[1]))
    for start in range(0, len(vectors), rows):
        with np.errstate(over="ignore"):  # what is too large for float32 becomes infinite, which the caller finds
            yield start, np.asarray(vectors[start : start + rows], dtype=np.float32)


def checked_table(
    source: str,
    vectors: np.ndarray,
    ids: Sequence[str],
    ids_source: str,
    row_of_number: Mapping[str, int] | None = None,
) -> VectorTable:
    """Check ids and vectors, and make a table of them.

    Args:
        source: Where the vectors are from, for messages.
        vectors: The vectors.
        ids: Id of each row.
        ids_source: Where the ids are from, for messages.
        row_of_number: See :class:`VectorTable`.

    Returns:
        The table.

    Raises:
        UserError: The vectors are no table of finite numbers, or the ids are not as many, empty, or not distinct.
    """
    check_shape(source, vectors)
    if len(ids) != len(vectors):
        raise UserError(
            f"{source} has {len(vectors):,} vectors and {ids_source} {len(ids):,} ids: give one id a vector, in order"
        )
    row_of = dict(zip(ids, range(len(ids)), strict=True))
    if "" in row_of:
        raise UserError(f"{ids_source}: the id of vector {row_of[''] + 1:,} is empty: write the item's id")
    if len(row_of) < len(ids):
        seen: set[str] = set()
        twice = next(token for token in ids if token in seen or seen.add(token))  # type: ignore[func-returns-value]
        raise UserError(f"{ids_source}: item {printable(twice)[:80]!r} occurs twice: leave one of its vectors out")
    for start, block in blocks_of(vectors):
        if not (finite := np.isfinite(block).all(1)).all():
            row = start + int(np.argmin(finite))
            raise UserError(
                f"{source}: the vector of item {printable(ids[row])[:80]!r} (number {row + 1:,}) has values that are "
                "not finite numbers of 32 bits: compute it again, or leave the item out"
            )
    return VectorTable(source, vectors, row_of, row_of_number)


def check_shape(source: str, vectors: np.ndarray) -> None:
    """Check that an array is a table of floating-point numbers.

    Raises:
        UserError: It is none.
    """
    if vectors.dtype.kind != "f":
        raise UserError(f"{source} holds {vectors.dtype}, and not floating-point numbers: write float32 or float16")
    if vectors.ndim != 2 or 0 in vectors.shape:
        raise UserError(
            f"{source} has shape {list(vectors.shape)}: write one row an item, of the same number of values each"
        )
    if vectors.shape[1] > _MOST_WIDTH:
        raise UserError(
            f"{source} has vectors of {vectors.shape[1]:,} numbers, more than {_MOST_WIDTH:,}: shorten them"
        )
