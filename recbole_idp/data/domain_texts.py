"""The texts of the items of several domains."""

import logging

import numpy as np

from recbole_idp.data.item_text import read_item_texts
from recbole_idp.errors import UserError


def texts_by_domain(config, locations, item_domain, item_tokens):
    """Reads the texts of the items of several domains.

    Args:
        config (Config): With ``text_fields`` for the first domain, the target, ``source_text_fields`` for the others.
        locations (list[DatasetLocation]): Where the domains lie.
        item_domain (Sequence[int]): Number of each item's domain; length N.
        item_tokens (Sequence[str]): Id of each item in its domain; length N.

    Yields:
        tuple[DatasetLocation, str, np.ndarray, list[str]]: For each domain where it lies, the key that names its
        columns, the places of its items among the N, and their texts.
    """
    for number, location in enumerate(locations):
        key = "source_text_fields" if number else "text_fields"
        places = np.flatnonzero(np.asarray(item_domain) == number)
        texts = item_texts(config, location, config[key])
        yield location, key, places, texts.for_items([item_tokens[place] for place in places])


def domain_texts(config, domains, locations):
    """Reads texts and titles of all items of the source domains.

    Args:
        config (Config): With ``source_text_fields`` and ``text_length``.
        domains (Domains): The merged data.
        locations (list[DatasetLocation]): Where each domain lies.

    Returns:
        tuple[list[str], list[str]]: Text and title of items 1 to N - 1.
    """
    texts, titles = [], []
    for number, location in enumerate(locations):
        tokens = [domains.item_tokens[item] for item in np.flatnonzero(domains.item_domain == number)]
        read = item_texts(config, location, config["source_text_fields"])
        texts += read.for_items(tokens)
        titles += [read.titles.get(token, "") for token in tokens]
    check_any_text(texts, ", ".join(location.name for location in locations), "source_text_fields")
    return texts, titles


def check_any_text(texts, name, key):
    """Checks that there is something to match by: single items without text are no harm.

    Args:
        texts (list[str]): Text of each item.
        name (str): Where the items are from.
        key (str): The key that names the columns.

    Raises:
        UserError: No item has a text.
    """
    if not any(texts):
        raise UserError(f"none of the {len(texts):,} items of {name} has a text to be matched by: see {key}")


def item_texts(config, location, fields):
    """Reads the item texts of one dataset and says how many items have none.

    Args:
        config (Config): With ``text_length``.
        location (DatasetLocation): Where the dataset lies.
        fields (list[str] | None): Columns to read.

    Returns:
        ItemTexts: Texts and titles by item id.

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
