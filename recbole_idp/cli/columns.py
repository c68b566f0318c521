"""Aligned columns for the terminal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from recbole_idp.terminal.printable import printable


def columns(rows: Iterable[Iterable[Any]], indent: str = "") -> str:
    """Align rows of text in columns.

    Args:
        rows: The cells, of which what is printable is shown; all rows have the same length.
        indent: Start of every line.

    Returns:
        One line per row, the last column ragged.
    """
    rows = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    widths[-1:] = [0]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(indent + line.rstrip() for line in lines)
