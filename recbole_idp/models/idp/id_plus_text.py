"""IDP with adapted texts of the target added to its generated IDs."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from torch import nn

from recbole_idp.content.text.encoding import TextEncoding
from recbole_idp.models.base.serving import Serving
from recbole_idp.models.base.text_vectors import unit_text_vectors
from recbole_idp.models.idp.model import IDP

if TYPE_CHECKING:
    import torch
    from recbole.config import Config

    from recbole_idp.data.dataset import SequenceDataset


class IDP_IDt(IDP):
    """IDP_{ID+t}: generated ID plus adapted text, at the input and at the candidate side (IDP, by UniSRec_{ID+t}).

    e_i = E^T_i + A t_i -> SASRec blocks -> last state . e_i -> scores

    The adapter A starts at zero: before training this is IDP. It is shared, so that what is learned about one item
    carries over to items with similar texts, rare ones too, while E^T holds what is specific to an item.

    Attributes:
        adapter (nn.Linear): A, from text vectors [W] to [D].
        text_vectors: The frozen text vectors t, centred and of length one, zero where an item has no text;
            shape [N, W]. Not in the checkpoint: they come from the texts.
    """

    text_vectors: torch.Tensor

    can_be_pretrained = False

    def __init__(self, config: Config, dataset: SequenceDataset) -> None:
        super().__init__(config, dataset)
        vectors = unit_text_vectors(TextEncoding.of(config), dataset)
        self.adapter = nn.Linear(vectors.shape[1], self.hidden_size, bias=False)
        nn.init.zeros_(self.adapter.weight)
        self.register_buffer("text_vectors", vectors, persistent=False)

    def serving(self) -> Serving:
        """Return the parts that compute scores; a generated ID is no item vector without its adapted text."""
        return dataclasses.replace(super().serving(), takes_generated_items=False)

    def item_vectors(self) -> torch.Tensor:
        """Return the vector of every item, as input and as candidate; shape [N, D]."""
        return self.item_embedding.weight + self.adapter(self.text_vectors)
