"""Read the texts of the items of several domains."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from recbole_idp.config.columns import USUAL_NAMES
from recbole_idp.data.atomic import check_ids, read_atomic, read_header
from recbole_idp.data.item_text import (
    ItemFileFormat,
    ItemTexts,
    check_distinct,
    has_text_columns,
    read_item_texts,
)
from recbole_idp.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

    from recbole_idp.data.catalog import DatasetLocation
    from recbole_idp.data.domains import Domains


def texts_by_domain(
    locations: Sequence[DatasetLocation],
    item_domain: Sequence[int] | np.ndarray,
    item_tokens: Sequence[str],
    fields: tuple[Sequence[str] | None, Sequence[str] | None],
    file_format: ItemFileFormat,
) -> Iterator[tuple[DatasetLocation, str, np.ndarray, list[str]]]:
    """Read the texts of the items of several domains.

    Args:
        locations: Where the domains lie.
        item_domain: Number of each item's domain; length N.
        item_tokens: Id of each item in its domain; length N.
        fields: Columns of the first domain, the target (``text_fields``), and of the others (``source_text_fields``).
        file_format: Format of the files.

    Yields:
        For each domain its location, the key that names its columns, the places of its items among the N, and their
        texts.
    """
    for number, location in enumerate(locations):
        key = "source_text_fields" if number else "text_fields"
        places = np.flatnonzero(np.asarray(item_domain) == number)
        texts = item_texts(location, fields[min(number, 1)], file_format)
        yield location, key, places, texts.for_items([item_tokens[place] for place in places.tolist()])


def domain_texts(
    domains: Domains,
    locations: Sequence[DatasetLocation],
    fields: Sequence[str] | None,
    file_format: ItemFileFormat,
) -> tuple[list[str], list[str]]:
    """Read texts and titles of all items of the source domains.

    Args:
        domains: The merged data.
        locations: Where each domain lies.
        fields: Columns to read (``source_text_fields``).
        file_format: Format of the files.

    Returns:
        Text and title of items 1 to N - 1.
    """
    texts: list[str] = []
    titles: list[str] = []
    for number, location in enumerate(locations):
        tokens = [domains.item_tokens[item] for item in np.flatnonzero(domains.item_domain == number)]
        read = item_texts(location, fields, file_format)
        texts += read.for_items(tokens)
        titles += [read.titles.get(token, "") for token in tokens]
    check_any_text(texts, ", ".join(location.name for location in locations), "source_text_fields")
    return texts, titles


def check_any_text(texts: Sequence[object], name: str, key: str) -> None:
    """Check that at least one item has a text to match by.

    Args:
        texts: Text of each item.
        name: Where the items are from.
        key: The key that names the columns.

    Raises:
        UserError: No item has a text.
    """
    if not any(texts):
        raise UserError(f"none of the {len(texts):,} items of {name} has a text to be matched by: see {key}")


def item_field_of(path: Path, file_format: ItemFileFormat) -> str:
    """Return the column of item ids: the given one, or RecBole's usual one where a file has that alone."""
    given, usual = file_format.item_field, USUAL_NAMES["ITEM_ID_FIELD"]
    if given == usual:
        return given
    header = read_header(path, file_format.separator, file_format.encoding)
    return usual if given not in header and usual in header else given


def item_file_of(location: DatasetLocation, what: str, why: str) -> Path:
    """Return the ``.item`` file of a dataset.

    Args:
        location: Where the dataset lies.
        what: What of the items is wanted, for the message.
        why: Why, for the message.

    Raises:
        UserError: There is none.
    """
    path = location.folder / f"{location.stem}.item"
    if not path.is_file():
        others = sorted(other.name for other in location.folder.glob("*.item"))
        there = f" (there is {', '.join(others[:3])})" if others else ""
        raise UserError(f"{location.name} has no item {what}: {path} is missing{there}, {why}")
    return path


def item_texts(location: DatasetLocation, fields: Sequence[str] | None, file_format: ItemFileFormat) -> ItemTexts:
    """Read the item texts of one dataset, and log how many items have none.

    Args:
        location: Where the dataset lies.
        fields: Columns to read.
        file_format: Format of the file.

    Returns:
        Texts and titles by item id.

    Raises:
        UserError: The dataset has no ``.item`` file, or the file is wrong.
    """
    path = item_file_of(location, "texts", "and matching needs one text an item")
    read = read_item_texts(
        path,
        fields,
        item_field_of(path, file_format),
        file_format.text_length,
        file_format.separator,
        file_format.encoding,
    )
    if read.without_text:
        logging.getLogger().warning(f"{location.name}: {read.without_text} items of {path} have no text")
    return read


def titles_of(
    location: DatasetLocation, tokens: Sequence[str], fields: Sequence[str] | None, file_format: ItemFileFormat
) -> list[str]:
    """Read the titles of items for people to read, where nothing else is made of texts.

    Args:
        location: Where the dataset lies.
        tokens: Item ids.
        fields: Columns of text, the title first; None: all of them.
        file_format: Format of the ``.item`` file.

    Returns:
        A title for each item; all blank where there is no ``.item`` file, or it has no text.
    """
    path = location.item_file
    if not path.is_file():
        return [""] * len(tokens)
    if fields is None and not has_text_columns(read_header(path, file_format.separator, file_format.encoding)):
        return [""] * len(tokens)
    titles = item_texts(location, fields, file_format).titles
    return [titles.get(token, "") for token in tokens]


def item_ids(path: Path, file_format: ItemFileFormat) -> list[str]:
    """Read the item ids of an ``.item`` file, in its order.

    Args:
        path: The file.
        file_format: Its format.

    Raises:
        UserError: The file cannot be read, lacks the column of ids, or has one empty or twice.
    """
    field = item_field_of(path, file_format)
    ids = read_atomic(path, [field], file_format.separator, file_format.encoding)[field]
    check_ids(ids, path)
    check_distinct(ids, path)
    return ids.tolist()
