"""The attributes of items: columns of ``.item`` files, by name and value."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

from recbole_idp.config.derive import data_root
from recbole_idp.data.catalog import locate
from recbole_idp.data.domain_texts import check_any_text, item_texts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from recbole_idp.content.text.encoding import TextEncoding
    from recbole_idp.data.catalog import DatasetLocation
    from recbole_idp.data.dataset import SequenceDataset
    from recbole_idp.data.domains import Domains
    from recbole_idp.models.recformer.items import Attributes


def input_attributes(encoding: TextEncoding, dataset: SequenceDataset) -> list[Attributes]:
    """Read the attributes of all items that stand in a dataset's histories: its own, and those of joined domains.

    Args:
        encoding: Columns of the texts.
        dataset: The target.

    Returns:
        Attributes of inputs 1 to I - 1, none for an item without text.

    Raises:
        UserError: The dataset, or a joined domain, has no texts.
    """
    own = dataset.item_tokens()[1:]
    found = _attributes(encoding, dataset.location, own, "text_fields")
    for name, items in itertools.groupby(dataset.history_items, key=lambda item: item.domain):
        location = locate(name, data_root(dataset.config))
        found += _attributes(encoding, location, [item.token for item in items], "source_text_fields")
    return found


def source_attributes(
    encoding: TextEncoding, domains: Domains, locations: Sequence[DatasetLocation]
) -> list[Attributes]:
    """Read the attributes of all items of the source domains.

    Args:
        encoding: Columns of the texts.
        domains: The merged data.
        locations: Where each domain lies.

    Returns:
        Attributes of items 1 to N - 1.

    Raises:
        UserError: A domain has no texts.
    """
    found: list[Attributes] = []
    for number, location in enumerate(locations):
        tokens = [domains.item_tokens[item] for item in np.flatnonzero(domains.item_domain == number)]
        found += _attributes(encoding, location, tokens, "source_text_fields")
    return found


def _attributes(encoding: TextEncoding, location: DatasetLocation, tokens: Sequence[str], key: str) -> list[Attributes]:
    """Return the attributes of some items of a dataset, whose columns a key names."""
    fields = encoding.settings.text_fields if key == "text_fields" else encoding.settings.source_text_fields
    found = item_texts(location, fields, encoding.file_format).attributes(tokens)
    check_any_text(found, location.name, key)
    return [*found]
