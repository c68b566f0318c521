"""The frozen text vectors of a target's items."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
import torch

from recbole_idp.config.derive import data_root
from recbole_idp.data.catalog import locate
from recbole_idp.search.vectors import centred

if TYPE_CHECKING:
    from recbole_idp.content.text.encoding import TextEncoding
    from recbole_idp.data.dataset import SequenceDataset


def target_texts(encoding: TextEncoding, dataset: SequenceDataset) -> list[str]:
    """Read the texts of a dataset's items.

    Args:
        encoding: Columns and length of the texts.
        dataset: The target.

    Returns:
        Text of items 1 to N - 1, blank where an item has none; names where the user brings vectors of his own.

    Raises:
        UserError: The dataset has no texts.
    """
    return encoding.target_texts(dataset.location, dataset.item_tokens()[1:])


def input_texts(encoding: TextEncoding, dataset: SequenceDataset) -> list[str]:
    """Read the texts of all items that stand in a dataset's histories: its own, and those of joined domains.

    Args:
        encoding: Columns and length of the texts.
        dataset: The target.

    Returns:
        Text of inputs 1 to I - 1, blank where an item has none.

    Raises:
        UserError: The dataset, or a joined domain, has no texts.
    """
    return [*target_texts(encoding, dataset), *_history_texts(encoding, dataset)]


def _history_texts(encoding: TextEncoding, dataset: SequenceDataset) -> list[str]:
    """Return the text of each item of joined domains; these stand together by domain."""
    texts: list[str] = []
    for name, items in itertools.groupby(dataset.history_items, key=lambda item: item.domain):
        texts += encoding.joined_texts(locate(name, data_root(dataset.config)), [item.token for item in items])
    return texts


def frozen_text_vectors(encoding: TextEncoding, dataset: SequenceDataset) -> np.ndarray:
    """Encode the texts of a dataset's items and of those of joined domains, or read their vectors from the cache.

    Args:
        encoding: Settings of texts and text encoder.
        dataset: The target.

    Returns:
        Vectors of inputs 1 to I - 1, zero for items without text; shape [I - 1, W].

    Raises:
        UserError: There are no texts, or the encoder cannot be loaded.
    """
    texts = input_texts(encoding, dataset)
    # Models draw the same first weights whether or not their texts had to be encoded first.
    with torch.random.fork_rng(devices=[]):
        vectors, _ = encoding.encode(encoding.load_encoder().fit(texts), texts)
    return vectors


def unit_text_vectors(encoding: TextEncoding, dataset: SequenceDataset) -> torch.Tensor:
    """Return the text vectors of all inputs, centred and scaled to length one; see :func:`centred`; shape [I, W]."""
    return centred(frozen_text_vectors(encoding, dataset))[0]
