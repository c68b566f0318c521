"""SASRec whose items are a trained projection of their texts, which starts at the principal components."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from recbole_idp.content.text.encoding import TextEncoding
from recbole_idp.models.base.text_model import TextModel
from recbole_idp.models.base.text_vectors import frozen_text_vectors
from recbole_idp.models.idp.components import component_directions
from recbole_idp.models.idp.generation import centred
from recbole_idp.models.idp.keys import TextStartSettings

if TYPE_CHECKING:
    from recbole.config import Config

    from recbole_idp.data.dataset import SequenceDataset


class TextProjectionSASRec(TextModel):
    """SASRec without IDs, whose item vectors are one linear map of the items' text vectors.

    item texts -> frozen vectors -> linear map, at first to the principal components -> item vectors
    item ids -> item vectors + positions -> SASRec blocks -> last state . item vectors -> scores

    It starts where TextPCASASRec does. Training moves all items together by what their texts share, and none alone.
    """

    def read_texts(self, config: Config, dataset: SequenceDataset) -> torch.Tensor:
        """Return the text vectors of all inputs, centred and as long as they are; zero for padding; shape [I, W]."""
        vectors = centred(frozen_text_vectors(TextEncoding.of(config), dataset))
        return nn.functional.pad(torch.from_numpy(vectors), (0, 0, 1, 0))

    def build_item_encoder(self, config: Config, text_width: int) -> nn.Linear:
        """Build the linear map to the principal components, centred and scaled to their spread."""
        settings = TextStartSettings.of(config)
        texts = self.text_vectors[1:].double()
        directions = component_directions(texts, self.hidden_size, settings.text_whitening)
        mean = texts.mean(0) @ directions
        distance = (texts @ directions - mean).square().sum(1).mean().sqrt()
        scale = settings.generated_spread / distance.clamp_min(1e-12)
        layer = nn.Linear(text_width, self.hidden_size)
        with torch.no_grad():
            layer.weight.zero_()[: directions.shape[1]] = (directions * scale).t()
            layer.bias.zero_()[: directions.shape[1]] = -mean * scale
        return layer
