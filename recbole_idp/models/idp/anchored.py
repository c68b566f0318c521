"""Source IDs that stay near their texts: one shared projection of the texts, and a bounded change of each item."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import torch
from torch import nn

from recbole_idp.models.base.encoded_items import WholeItemsModel
from recbole_idp.models.idp.components import component_directions
from recbole_idp.models.idp.keys import AnchorSettings
from recbole_idp.models.idp.text_delta import bounded

if TYPE_CHECKING:
    import numpy as np
    from recbole.config import Config

    from recbole_idp.models.base.sequence_model import ModelData
    from recbole_idp.models.idp.model import IDP


class AnchoredIDs(WholeItemsModel):
    """What a model on source domains is with anchored IDs, before its own class: e_i = P x_i + bounded(d_i).

    item texts -> frozen vectors, centred by domain -> projection P, trained, + bounded change of each item -> IDs
    item ids -> IDs + positions -> SASRec blocks -> last state . IDs -> scores

    P starts at the principal components, d_i at zero. A target's texts go through the same P, so that the encoder finds
    them where it was trained.

    Args:
        config: RecBole's configuration.
        dataset: The source domains.
        texts: Centred text vectors of items 1 to S, zero without text; shape [S, W].

    Attributes:
        projection (nn.Parameter): P; shape [W, D].
        texts (torch.Tensor): With zeros for padding; shape [S + 1, W].
        bound (float): No change d_i is as long as this.
    """

    texts: torch.Tensor

    def __init__(self, config: Config, dataset: ModelData, texts: np.ndarray) -> None:
        super().__init__(config, dataset)
        self.bound = AnchorSettings.of(config).anchor_bound
        vectors = torch.from_numpy(texts)
        self.projection = nn.Parameter(first_projection(vectors, self.hidden_size))
        self.register_buffer("texts", nn.functional.pad(vectors, (0, 0, 1, 0)), persistent=False)
        nn.init.zeros_(self.item_embedding.weight)

    def encode_items(self) -> torch.Tensor:
        """Compute the ID of every item; shape [S + 1, D]."""
        return self.texts @ self.projection + bounded(self.item_embedding.weight, self.bound)

    def settle(self) -> None:
        """Put the IDs into the item table, as they are handed over."""
        with torch.no_grad():
            self.item_embedding.weight.copy_(self.encode_items())


@functools.cache
def anchored(model: type[IDP]) -> type[AnchoredIDs]:
    """Return the class of a model on source domains whose IDs are anchored.

    Args:
        model: The model with free IDs.
    """
    return type(f"Anchored{model.__name__}", (AnchoredIDs, model), {})


def first_projection(texts: torch.Tensor, width: int) -> torch.Tensor:
    """Return the projection to the principal components, at a mean squared length of one; shape [W, D].

    Args:
        texts: Centred text vectors; shape [S, W].
        width: Width D; columns beyond W are zero.
    """
    texts = texts.double()
    directions = component_directions(texts, width)
    length = (texts @ directions).square().sum(1).mean().sqrt()
    projection = directions / length.clamp_min(1e-12)
    return nn.functional.pad(projection, (0, width - projection.shape[1])).float()
