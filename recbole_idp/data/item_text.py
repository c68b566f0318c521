"""The text of every item, put together from columns of an ``.item`` file."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recbole_idp.data.atomic import read_atomic
from recbole_idp.errors import UserError, nearest


@dataclass(frozen=True)
class ItemTexts:
    """What is known about the items in words.

    Attributes:
        texts (dict[str, str]): Item token -> its text; empty where the item has none.
        titles (dict[str, str]): Item token -> the first text field alone, for people to read.
        fields (tuple[str, ...]): The columns that the texts were put together from, in this order.
        without_text (int): How many items have an empty text.
    """

    texts: dict
    titles: dict
    fields: tuple
    without_text: int

    def for_items(self, tokens):
        """Returns the texts of ``tokens`` in their order, an empty one for an item that is not known.

        Args:
            tokens (Iterable[str]): Item tokens.

        Returns:
            list[str]: One text for each token.
        """
        return [self.texts.get(token, "") for token in tokens]


def read_item_texts(path, text_fields=None, item_field="item_id", text_length=2000, separator="\t", encoding="utf-8"):
    """Reads an ``.item`` file and joins the text fields of each item.

    Fields are joined to sentences (``Toy Story. Animation Comedy``), white space is folded, empty fields are skipped.

    Args:
        path (str | Path): The ``.item`` file.
        text_fields (Iterable[str] | None): The columns to use, the title first. By default the columns whose name
            ends in ``title`` (which some of RecBole's data sets store as a ``token``), then every other ``token_seq``
            column, in the file's order.
        item_field (str): The column of item tokens.
        text_length (int): The most characters of a text; what is longer is cut.
        separator (str): As :func:`~recbole_idp.data.atomic.read_atomic` takes it.
        encoding (str): Likewise.

    Returns:
        ItemTexts: Texts and titles of all items in the file.

    Raises:
        UserError: The file cannot be read, lacks a column, has no text column or has an item twice.
    """
    path = Path(path)
    fields = None if text_fields is None else tuple(text_fields)

    def choose(types):
        nonlocal fields
        if item_field not in types:
            raise UserError(f"{path} has no column {item_field!r} of item ids; it has {', '.join(types)}")
        if fields is None:
            fields = _default_fields(types, item_field, path)
        _check_known(fields, types, item_field, path)
        return [item_field, *fields]

    # Only these columns, so that a bad number in another one is no matter here.
    frame = read_atomic(path, choose, separator, encoding)
    _check_distinct(frame[item_field], path)
    columns = [[" ".join(value.split()) for value in frame[field]] for field in fields]
    tokens = frame[item_field].tolist()
    texts = [_join(parts)[:text_length].rstrip() for parts in zip(*columns, strict=True)]
    return ItemTexts(
        texts=dict(zip(tokens, texts, strict=True)),
        titles=dict(zip(tokens, columns[0], strict=True)),
        fields=fields,
        without_text=texts.count(""),
    )


def _default_fields(types, item_field, path):
    """Returns the columns that are text as far as their names and types tell."""
    titles = [name for name, kind in types.items() if name.lower().endswith("title") and kind.startswith("token")]
    others = [name for name, kind in types.items() if kind == "token_seq" and name not in titles]
    fields = tuple(name for name in titles + others if name != item_field)
    if not fields:
        raise UserError(f"{path} has no text column: name one in text_fields; it has {', '.join(types)}")
    return fields


def _check_known(fields, types, item_field, path):
    """Raises where a text field is not a column of characters in the file."""
    columns = [name for name in types if name != item_field]
    if not fields:
        raise UserError(f"text_fields is empty: name at least one column of {path}; it has {', '.join(columns)}")
    for field in fields:
        if field not in types:
            close = nearest(field, columns)
            hint = f" (did you mean {close[0]!r}?)" if close else ""
            message = f"{path} has no column {field!r}{hint}, which text_fields names"
            raise UserError(f"{message}; it has {', '.join(columns)}")
        if types[field].startswith("float"):
            raise UserError(f"{path}: column {field!r} holds numbers; take it out of text_fields")


def _check_distinct(tokens, path):
    """Raises where an item is described twice."""
    repeated = np.flatnonzero(tokens.duplicated())
    if len(repeated):
        token = tokens.iloc[repeated[0]]
        first = int(np.argmax(tokens == token))
        lines = f"lines {first + 2} and {repeated[0] + 2}"
        raise UserError(f"{path}: item {token!r} is there twice, in {lines}; drop one of them")


def _join(parts):
    """Joins the parts that are not empty; a part without closing punctuation gets a full stop."""
    parts = [part for part in parts if part]
    closed = [part if part[-1] in ".!?:;," else part + "." for part in parts[:-1]]
    return " ".join(closed + parts[-1:])
