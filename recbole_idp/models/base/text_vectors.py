"""The frozen text vectors of a target's items."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from recbole_idp.content.text.cache import cache_folder, encode_cached
from recbole_idp.content.text.encoder import configured_text_encoder
from recbole_idp.data.domain_texts import check_any_text, item_texts
from recbole_idp.search.vectors import normalised

if TYPE_CHECKING:
    from recbole.config import Config

    from recbole_idp.data.dataset import SequenceDataset


def target_texts(config: Config, dataset: SequenceDataset) -> list[str]:
    """Read the texts of a dataset's items.

    Args:
        config: With ``text_fields`` and ``text_length``.
        dataset: The target.

    Returns:
        Text of items 1 to N - 1, blank where an item has none.

    Raises:
        UserError: The dataset has no texts.
    """
    texts = item_texts(config, dataset.location, config["text_fields"]).for_items(dataset.item_tokens()[1:])
    check_any_text(texts, config["dataset"], "text_fields")
    return texts


def frozen_text_vectors(config: Config, dataset: SequenceDataset) -> np.ndarray:
    """Encode the texts of a dataset's items, or read their vectors from the cache.

    Args:
        config: With the keys of the text encoder.
        dataset: The target.

    Returns:
        Vectors of items 1 to N - 1, zero for items without text; shape [N - 1, W].

    Raises:
        UserError: The dataset has no texts, or the encoder cannot be loaded.
    """
    texts = target_texts(config, dataset)
    # Models draw the same first weights whether or not their texts had to be encoded first.
    with torch.random.fork_rng(devices=[]):
        vectors, _ = encode_cached(configured_text_encoder(config).fit(texts), texts, cache_folder(config))
    return vectors


def unit_text_vectors(config: Config, dataset: SequenceDataset) -> torch.Tensor:
    """Return the text vectors, centred over the items of the dataset and scaled to length one.

    Args:
        config: With the keys of the text encoder.
        dataset: The target.

    Returns:
        The vectors, zero for the padding item and for items without text; shape [N, W].

    Raises:
        UserError: The dataset has no texts, or the encoder cannot be loaded.
    """
    vectors = frozen_text_vectors(config, dataset)
    present = np.any(vectors, axis=1)
    vectors[present] = normalised(vectors[present] - vectors[present].mean(0))
    return torch.from_numpy(np.concatenate([np.zeros((1, vectors.shape[1]), dtype=np.float32), vectors]))
