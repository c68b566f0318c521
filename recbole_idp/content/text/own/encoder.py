"""Vectors that a user brings, in the place of a text encoder: the "text" of an item is its name, and is looked up."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from recbole_idp.content.text.interface import TextEncoder
from recbole_idp.content.text.own.column import read_column
from recbole_idp.content.text.own.files import COLUMN, read_vectors
from recbole_idp.content.text.stored import OWN, read_settings, write_settings
from recbole_idp.data.domain_texts import item_field_of, item_file_of
from recbole_idp.errors import UserError

if TYPE_CHECKING:
    from recbole_idp.content.text.own.table import VectorTable
    from recbole_idp.data.catalog import DatasetLocation
    from recbole_idp.data.item_text import ItemFileFormat

NAME = "vectors of your own"
_BETWEEN = "\t"


class OwnVectors(TextEncoder):
    """Vectors that were computed elsewhere. W width.

    items -> names, domain and row; blank for items without a vector -> rows of the domain's table

    All that reads text vectors reads names in the place of texts. A folder to give away keeps the width alone, as new
    items bring their own vectors.

    Args:
        width: Length of a vector.
        tables: Vectors of each domain, by its name.

    Attributes:
        tables: As given.
    """

    reads_texts = False

    def __init__(self, width: int, tables: Mapping[str, VectorTable] | None = None) -> None:
        self.name = NAME
        self.width = width
        self.tables = dict(tables or {})

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that change with the vectors, whatever files they came from."""
        digests = [f"{name}\t{self.tables[name].digest}" for name in sorted(self.tables)]
        return hashlib.sha256("\n".join([f"{NAME} {self.width}", *digests]).encode()).hexdigest()[:16]

    def encode_distinct(self, texts: list[str], advance: Callable[[int], object]) -> np.ndarray:
        """Look up the vectors of items; see :meth:`TextEncoder.encode_distinct`."""
        vectors = np.zeros((len(texts), self.width), dtype=np.float32)
        domains, rows = zip(*(text.split(_BETWEEN) for text in texts), strict=True) if texts else ((), ())
        numbers = np.array(rows, dtype=np.int64)
        for domain in dict.fromkeys(domains):
            places = np.flatnonzero([name == domain for name in domains])
            vectors[places] = self.tables[domain].take(numbers[places])
            advance(len(places))
        return vectors

    def save(self, folder: str | Path) -> None:
        """Write the width; see :meth:`TextEncoder.save`."""
        with write_settings(folder, OWN, {"width": self.width}):
            pass

    def names(self, domain: str, tokens: Sequence[str]) -> list[str]:
        """Return what stands for the texts of items.

        Args:
            domain: Name of their domain.
            tokens: Their ids.

        Returns:
            A name for each, blank where it has no vector.
        """
        rows = self.tables[domain].rows_of(tokens).tolist()
        return [f"{domain}{_BETWEEN}{row}" if row >= 0 else "" for row in rows]


def open_own_vectors(folder: str | Path) -> OwnVectors:
    """Open what :meth:`OwnVectors.save` wrote: the width, without vectors."""
    return OwnVectors(read_settings(folder)["width"])


def read_own(given: str, location: DatasetLocation, key: str, file_format: ItemFileFormat) -> VectorTable:
    """Read the vectors of one domain.

    Args:
        given: A file of vectors, or ``column:NAME``.
        location: Where the domain lies.
        key: The key that names the vectors, for messages.
        file_format: Format of the ``.item`` file.

    Raises:
        UserError: The file or the column cannot be used.
    """
    try:
        if given.startswith(COLUMN):
            path = item_file_of(location, "vectors", f"and {key} names a column of it")
            return read_column(path, given.removeprefix(COLUMN), item_field_of(path, file_format), file_format)
        return read_vectors(given)
    except UserError as error:
        raise UserError(f"{key}: {error}") from error


def own_vectors(tables: Mapping[str, VectorTable]) -> OwnVectors:
    """Join the vectors of several domains.

    Args:
        tables: Vectors of each domain, by its name; one at least.

    Raises:
        UserError: Their widths differ.
    """
    first = next(iter(tables.values()))
    for name, table in tables.items():
        if table.width != first.width:
            raise UserError(
                f"{table.source} has vectors of {table.width:,} numbers ({name}), and {first.source} of "
                f"{first.width:,}: give vectors of one encoder for all domains"
            )
    return OwnVectors(first.width, tables)


def log_missing(domain: str, names: Sequence[str], source: str) -> None:
    """Log how many items of a domain have no vector, and what becomes of them; UserError where none has one."""
    missing = sum(not name for name in names)
    if missing == len(names):
        raise UserError(
            f"{source} has a vector of none of the {len(names):,} items of {domain}: give the vectors of the same items"
        )
    if missing:
        logging.getLogger().warning(
            f"{domain}: {missing:,} of {len(names):,} items have no vector in {source}: theirs is zero, as that of an "
            "item without a text"
        )
