"""SASRec whose items are their texts and a bounded change of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from recbole_idp.content.text.encoding import TextEncoding
from recbole_idp.models.base.encoded_items import EncodedItemsModel
from recbole_idp.models.idp.keys import TextDeltaSASRecSettings
from recbole_idp.models.idp.text_pca import text_components

if TYPE_CHECKING:
    from recbole.config import Config
    from recbole.data.interaction import Interaction

    from recbole_idp.data.dataset import SequenceDataset
    from recbole_idp.data.rows import Batch


class TextDeltaSASRec(EncodedItemsModel):
    """SASRec whose item vectors are frozen principal components of the texts, plus a change that training bounds.

    item texts -> frozen vectors -> principal components + bounded change of each item -> item vectors
    item ids -> item vectors + positions -> SASRec blocks -> last state . item vectors -> scores

    It starts where TextPCASASRec does. There a pull that fades holds frequent items little; here no item leaves the
    neighbourhood of its text.

    Attributes:
        texts (torch.Tensor): The components, zero for padding; shape [I, D].
        bound (float): No change is as long as this.
    """

    texts: torch.Tensor

    def __init__(self, config: Config, dataset: SequenceDataset) -> None:
        super().__init__(config, dataset)
        settings = TextDeltaSASRecSettings.of(config)
        self.bound = settings.delta_bound * settings.generated_spread
        components = text_components(settings, TextEncoding.of(config), dataset)
        self.register_buffer("texts", nn.functional.pad(components, (0, 0, 1, 0)))
        nn.init.zeros_(self.item_embedding.weight)

    def encode_items(self) -> torch.Tensor:
        """Compute the vector of every input; shape [I, D]."""
        return self.texts + bounded(self.item_embedding.weight, self.bound)

    def position_loss(self, batch: Batch) -> torch.Tensor:
        """Compute the mean loss over all positions that have a target; arguments as in :class:`SequenceModel`."""
        with self.items_encoded_once():
            return super().position_loss(batch)

    def calculate_loss(self, interaction: Interaction) -> torch.Tensor:
        """Compute the mean loss of rows with one target each, a hook of RecBole; scalar."""
        with self.items_encoded_once():
            return super().calculate_loss(interaction)


def bounded(vectors: torch.Tensor, bound: float) -> torch.Tensor:
    """Shorten vectors smoothly to less than a length, short ones hardly.

    Args:
        vectors: Shape [..., D].
        bound: The length b: v becomes v b / sqrt(b^2 + |v|^2).

    Returns:
        Of the same shape.
    """
    return vectors * bound * (bound**2 + vectors.square().sum(-1, keepdim=True)).rsqrt()
