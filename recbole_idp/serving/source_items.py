"""The names of the source items that a trained model's items were matched to, for people to read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from recbole_idp.models.idp.bundle import Bundle

FILE = "source_items.tsv"
_HEADER = "row\tdomain\titem_id\ttitle"


class SourceItem(NamedTuple):
    """An item of a source domain.

    Attributes:
        domain: Name of its domain.
        token: Its id there.
        title: Its title, empty where there is none.
    """

    domain: str
    token: str
    title: str


@dataclass(frozen=True)
class SourceItems:
    """The source items that items of a target were matched to. K items.

    Attributes:
        rows: Row of each in the bundle, ascending, each once; int64, shape [K].
        items: What they are called; length K.
    """

    rows: np.ndarray
    items: list[SourceItem]

    @classmethod
    def of(cls, bundle: Bundle, matched: np.ndarray) -> SourceItems:
        """Take the names of matched items from their bundle.

        Args:
            bundle: The bundle.
            matched: Rows of the bundle, of any shape.
        """
        rows = np.unique(matched)
        return cls(
            rows, [SourceItem(bundle.domains[row], bundle.tokens[row], bundle.titles[row]) for row in rows.tolist()]
        )

    def named(self, rows: np.ndarray) -> list[SourceItem]:
        """Return what items of the bundle are called, by their rows, which are all there; shape [m]."""
        return [self.items[place] for place in np.searchsorted(self.rows, rows).tolist()]

    def write(self, path: Path) -> None:
        """Write the items, one a line."""
        lines = (
            "\t".join([str(row), *(" ".join(text.split()) for text in item)])
            for row, item in zip(self.rows.tolist(), self.items, strict=True)
        )
        path.write_text("\n".join([_HEADER, *lines]) + "\n", encoding="utf-8", errors="replace")

    @classmethod
    def read(cls, path: Path, matched: np.ndarray) -> SourceItems:
        """Read a file of :meth:`write`.

        Args:
            path: The file.
            matched: The rows that it has to name, of any shape.

        Raises:
            ValueError: It has another format, or does not name them.
        """
        header, *lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
        fields = [line.split("\t") for line in lines]
        if header != _HEADER or any(len(row) != 1 + len(SourceItem._fields) for row in fields):
            raise ValueError(f"{path.name} is no list of rows, domains, ids and titles")
        rows = np.array([int(row) for row, *_ in fields], dtype=np.int64)
        if (np.diff(rows) <= 0).any() or not np.isin(matched, rows).all():
            raise ValueError(f"{path.name} does not name the items that were matched, each once and in order")
        return cls(rows, [SourceItem(*names) for _, *names in fields])
