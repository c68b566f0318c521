"""The frozen text vectors of a target's items, which models that look at its texts start from."""

import numpy as np
import torch

from recbole_idp.content.text.cache import cache_folder, encode_cached
from recbole_idp.content.text.encoder import configured_text_encoder
from recbole_idp.data.domain_texts import check_any_text, item_texts
from recbole_idp.search.vectors import normalised


def target_texts(config, dataset):
    """Read the texts of a dataset's items.

    Args:
        config (Config): With ``text_fields`` and ``text_length``.
        dataset (SequenceDataset): The target.

    Returns:
        list[str]: Text of items 1 to N - 1, blank where an item has none.

    Raises:
        UserError: The dataset has no texts.
    """
    texts = item_texts(config, dataset.location, config["text_fields"]).for_items(dataset.item_tokens()[1:])
    check_any_text(texts, config["dataset"], "text_fields")
    return texts


def frozen_text_vectors(config, dataset):
    """Encode the texts of a dataset's items, or take their vectors from the cache.

    Args:
        config (Config): With the keys of the text encoder.
        dataset (SequenceDataset): The target.

    Returns:
        np.ndarray: Vectors of items 1 to N - 1, zero for items without text; shape [N - 1, W].

    Raises:
        UserError: The dataset has no texts, or the encoder cannot be loaded.
    """
    texts = target_texts(config, dataset)
    # Models draw the same first weights whether or not their texts had to be encoded first.
    with torch.random.fork_rng(devices=[]):
        vectors, _ = encode_cached(configured_text_encoder(config).fit(texts), texts, cache_folder(config))
    return vectors


def unit_text_vectors(config, dataset):
    """Return the text vectors without what all items of the dataset have in common.

    Args:
        config (Config): With the keys of the text encoder.
        dataset (SequenceDataset): The target.

    Returns:
        torch.Tensor: Centred, then of length one; zero for the padding item and for items without text; shape [N, W].

    Raises:
        UserError: The dataset has no texts, or the encoder cannot be loaded.
    """
    vectors = frozen_text_vectors(config, dataset)
    present = np.any(vectors, axis=1)
    vectors[present] = normalised(vectors[present] - vectors[present].mean(0))
    return torch.from_numpy(np.concatenate([np.zeros((1, vectors.shape[1]), dtype=np.float32), vectors]))
