"""Read the texts of the items of several domains."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from recbole_idp.data.item_text import ItemTexts, read_item_texts
from recbole_idp.errors import UserError

if TYPE_CHECKING:
    from recbole.config import Config

    from recbole_idp.data.catalog import DatasetLocation
    from recbole_idp.data.domains import Domains


def texts_by_domain(
    config: Config,
    locations: Sequence[DatasetLocation],
    item_domain: Sequence[int] | np.ndarray,
    item_tokens: Sequence[str],
) -> Iterator[tuple[DatasetLocation, str, np.ndarray, list[str]]]:
    """Read the texts of the items of several domains.

    Args:
        config: With ``text_fields`` for the first domain, the target, and ``source_text_fields`` for the others.
        locations: Where the domains lie.
        item_domain: Number of each item's domain; length N.
        item_tokens: Id of each item in its domain; length N.

    Yields:
        For each domain its location, the key that names its columns, the places of its items among the N, and their
        texts.
    """
    for number, location in enumerate(locations):
        key = "source_text_fields" if number else "text_fields"
        places = np.flatnonzero(np.asarray(item_domain) == number)
        texts = item_texts(config, location, config[key])
        yield location, key, places, texts.for_items([item_tokens[place] for place in places.tolist()])


def domain_texts(config: Config, domains: Domains, locations: Sequence[DatasetLocation]) -> tuple[list[str], list[str]]:
    """Read texts and titles of all items of the source domains.

    Args:
        config: With ``source_text_fields`` and ``text_length``.
        domains: The merged data.
        locations: Where each domain lies.

    Returns:
        Text and title of items 1 to N - 1.
    """
    texts: list[str] = []
    titles: list[str] = []
    for number, location in enumerate(locations):
        tokens = [domains.item_tokens[item] for item in np.flatnonzero(domains.item_domain == number)]
        read = item_texts(config, location, config["source_text_fields"])
        texts += read.for_items(tokens)
        titles += [read.titles.get(token, "") for token in tokens]
    check_any_text(texts, ", ".join(location.name for location in locations), "source_text_fields")
    return texts, titles


def check_any_text(texts: Sequence[str], name: str, key: str) -> None:
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


def item_texts(config: Config, location: DatasetLocation, fields: Sequence[str] | None) -> ItemTexts:
    """Read the item texts of one dataset, and log how many items have none.

    Args:
        config: With ``text_length``.
        location: Where the dataset lies.
        fields: Columns to read.

    Returns:
        Texts and titles by item id.

    Raises:
        UserError: The dataset has no ``.item`` file, or the file is wrong.
    """
    path = location.folder / f"{location.stem}.item"
    if not path.is_file():
        raise UserError(f"{location.name} has no item texts: {path} is missing, and matching needs one text an item")
    read = read_item_texts(
        path,
        fields,
        config["ITEM_ID_FIELD"],
        config["text_length"],
        config["field_separator"],
        config["encoding"] or "utf-8",
    )
    if read.without_text:
        logging.getLogger().warning(f"{location.name}: {read.without_text} items of {path} have no text")
    return read
