"""Make the text of every item from columns of an ``.item`` file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from recbole_idp.data.atomic import FileFormat, check_ids, read_atomic
from recbole_idp.errors import UserError, nearest

if TYPE_CHECKING:
    from recbole.config import Config
    from typing_extensions import Self


@dataclass(frozen=True)
class ItemFileFormat:
    """Format of ``.item`` files, and how much of a text is read.

    Attributes:
        item_field: The column of item tokens.
        text_length: Characters of a text at most; longer texts are cut.
        separator: See :func:`~recbole_idp.data.atomic.read_atomic`.
        encoding: See :func:`~recbole_idp.data.atomic.read_atomic`.
    """

    item_field: str = "item_id"
    text_length: int = 2000
    separator: str = "\t"
    encoding: str = "utf-8"

    @classmethod
    def of(cls, config: Config) -> Self:
        """Read the values from a configuration."""
        return cls(config["ITEM_ID_FIELD"], config["text_length"], *FileFormat.of(config))


@dataclass(frozen=True)
class ItemTexts:
    """Texts and titles of items.

    Attributes:
        texts: Item token -> its text; empty if the item has none.
        titles: Item token -> the first text field alone, for people to read.
        fields: The columns that the texts are made of, in this order.
        values: Item token -> what each of these columns holds.
        without_text: Number of items with an empty text.
    """

    texts: dict[str, str]
    titles: dict[str, str]
    fields: tuple[str, ...]
    values: dict[str, tuple[str, ...]]
    without_text: int

    def for_items(self, tokens: Iterable[str]) -> list[str]:
        """Return the texts of ``tokens`` in their order, an empty text for an unknown item.

        Args:
            tokens: Item tokens.

        Returns:
            One text for each token.
        """
        return [self.texts.get(token, "") for token in tokens]

    def attributes(self, tokens: Iterable[str]) -> list[list[tuple[str, str]]]:
        """Return the columns of ``tokens`` in their order, none for an unknown item.

        Args:
            tokens: Item tokens.

        Returns:
            Name and value of each column that is not empty, for each token.
        """
        rows = (self.values.get(token, ()) for token in tokens)
        return [[pair for pair in zip(self.fields, row, strict=False) if pair[1]] for row in rows]


def read_item_texts(
    path: str | Path,
    text_fields: Iterable[str] | None = None,
    item_field: str = "item_id",
    text_length: int = 2000,
    separator: str = "\t",
    encoding: str = "utf-8",
) -> ItemTexts:
    """Read an ``.item`` file and join the text fields of each item.

    Fields are joined to sentences (``Toy Story. Animation Comedy``). White space is folded, and empty fields are
    skipped.

    Args:
        path: The ``.item`` file.
        text_fields: The columns to use, the title first. By default the columns whose name ends in ``title`` (which
            some of RecBole's data sets store as a ``token``), then every other ``token_seq`` column, in the file's
            order.
        item_field: The column of item tokens.
        text_length: Characters of a text at most; longer texts are cut.
        separator: See :func:`~recbole_idp.data.atomic.read_atomic`.
        encoding: See :func:`~recbole_idp.data.atomic.read_atomic`.

    Returns:
        Texts and titles of all items in the file.

    Raises:
        UserError: The file cannot be read, lacks a column, has no text column or has an item twice.
    """
    path = Path(path)
    fields: tuple[str, ...] = () if text_fields is None else tuple(text_fields)

    def choose(types: dict[str, str]) -> list[str]:
        """Return the columns to read of a file with these columns."""
        nonlocal fields
        if item_field not in types:
            raise UserError(f"{path} has no column {item_field!r} of item ids; it has {', '.join(types)}")
        if types[item_field] != "token":
            kind = types[item_field]
            raise UserError(f"{path}, line 1: column {item_field} is of type {kind}: write it as {item_field}:token")
        if text_fields is None:
            fields = _default_fields(types, item_field, path)
        _check_known(fields, types, item_field, path)
        return [item_field, *fields]

    # Only these columns, so that a bad number in another one does not matter here.
    frame = read_atomic(path, choose, separator, encoding)
    check_ids(frame[item_field], path)
    check_distinct(frame[item_field], path)
    columns = [[" ".join(value.split()) for value in frame[field]] for field in fields]
    tokens = frame[item_field].tolist()
    values = list(zip(*columns, strict=True))
    texts = [_join(parts)[:text_length].rstrip() for parts in values]
    return ItemTexts(
        texts=dict(zip(tokens, texts, strict=True)),
        titles=dict(zip(tokens, columns[0], strict=True)),
        fields=fields,
        values=dict(zip(tokens, values, strict=True)),
        without_text=texts.count(""),
    )


def has_text_columns(types: Mapping[str, str]) -> bool:
    """Return whether a file with these columns has one that is taken for text where none is named."""
    return bool(_text_columns(types))


def _text_columns(types: Mapping[str, str]) -> list[str]:
    """Return the text columns, the titles first."""
    titles = [name for name, kind in types.items() if name.lower().endswith("title") and kind.startswith("token")]
    return titles + [name for name, kind in types.items() if kind == "token_seq" and name not in titles]


def _default_fields(types: Mapping[str, str], item_field: str, path: Path) -> tuple[str, ...]:
    """Return the text columns, as judged by their names and types."""
    fields = tuple(name for name in _text_columns(types) if name != item_field)
    if not fields:
        raise UserError(f"{path} has no text column: name one in text_fields; it has {', '.join(types)}")
    return fields


def _check_known(fields: Sequence[str], types: Mapping[str, str], item_field: str, path: Path) -> None:
    """Check that each text field is a column of text in the file."""
    columns = [name for name in types if name != item_field]
    if not fields:
        raise UserError(f"text_fields is empty: name at least one column of {path}; it has {', '.join(columns)}")
    for field in fields:
        if field not in types:
            close = nearest(field, columns)
            hint = f" (did you mean {close[0]!r}?)" if close else ""
            message = f"{path} has no column {field!r}{hint}, which text_fields names"
            raise UserError(f"{message}; it has {', '.join(columns)}")
        if types[field] == "float_seq":
            raise UserError(
                f"{path}: column {field!r} holds vectors: take it out of text_fields, and give --text_vectors="
                f"column:{field} to use them instead of texts"
            )
        if types[field].startswith("float"):
            raise UserError(f"{path}: column {field!r} holds numbers; take it out of text_fields")


def check_distinct(tokens: pd.Series, path: Path) -> None:
    """Check that no item has two rows."""
    repeated = np.flatnonzero(tokens.duplicated())
    if len(repeated):
        token = tokens.iloc[repeated[0]]
        first = int(np.argmax(tokens == token))
        lines = f"lines {first + 2} and {repeated[0] + 2}"
        raise UserError(f"{path}: item {token!r} occurs twice, in {lines}; drop one of them")


def _join(parts: Sequence[str]) -> str:
    """Join the non-empty parts; add a full stop to a part without closing punctuation."""
    parts = [part for part in parts if part]
    closed = [part if part[-1] in ".!?:;," else part + "." for part in parts[:-1]]
    return " ".join(closed + parts[-1:])
