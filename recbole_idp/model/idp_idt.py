"""IDP with the target's texts beside its generated IDs."""

import numpy as np
import torch
from torch import nn

from recbole_idp.data.domains import check_any_text, item_texts
from recbole_idp.matcher.retrieval import normalised
from recbole_idp.model.idp import IDP
from recbole_idp.text.cache import cache_folder, encode_cached
from recbole_idp.text.encoder import configured_text_encoder


class IDP_IDt(IDP):
    """IDP_{ID+t}: generated ID plus adapted text, at the input and at the candidate side (IDP, by UniSRec_{ID+t}).

    e_i = E^T_i + A t_i -> SASRec blocks -> last state . e_i -> scores

    The adapter A starts at zero: before training this is IDP. It is shared, so that what training tells of one item
    reaches those with similar texts, seldom seen ones too, while E^T holds what is an item's own.

    Attributes:
        adapter (nn.Linear): A, from text vectors [W] to [D].
        text_vectors (torch.Tensor): The frozen text vectors t, centred and of length one, zero where an item has no
            text; shape [N, W]. Not in the checkpoint: they come from the texts.
    """

    can_be_pretrained = False

    def __init__(self, config, dataset):
        super().__init__(config, dataset)
        vectors = target_text_vectors(config, dataset)
        self.adapter = nn.Linear(vectors.shape[1], self.hidden_size, bias=False)
        nn.init.zeros_(self.adapter.weight)
        self.register_buffer("text_vectors", vectors, persistent=False)

    def item_vectors(self):
        """Returns the vector of every item, as input and as candidate; shape [N, D]."""
        return self.item_embedding.weight + self.adapter(self.text_vectors)


def target_text_vectors(config, dataset):
    """Encodes the texts of a dataset's items, or takes them from the cache.

    Args:
        config (Config): With the keys of the text encoder.
        dataset (SequenceDataset): The target.

    Returns:
        torch.Tensor: Centred, then of length one; zero for the padding item and for items without text; shape [N, W].

    Raises:
        UserError: The dataset has no texts, or the encoder cannot be loaded.
    """
    texts = item_texts(config, dataset.location, config["text_fields"]).for_items(dataset.item_tokens()[1:])
    check_any_text(texts, config["dataset"], "text_fields")
    vectors, _ = encode_cached(configured_text_encoder(config).fit(texts), texts, cache_folder(config))
    present = np.any(vectors, axis=1)
    vectors[present] = normalised(vectors[present] - vectors[present].mean(0))
    return torch.from_numpy(np.concatenate([np.zeros((1, vectors.shape[1]), dtype=np.float32), vectors]))
