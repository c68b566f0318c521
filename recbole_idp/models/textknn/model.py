"""TextKNN: the items whose texts are nearest to those of the latest events. Nothing is trained."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import torch

from recbole_idp.config.derive import derive
from recbole_idp.content.text.encoding import TextEncoding
from recbole_idp.models.base.sequence_model import SequenceModel
from recbole_idp.models.base.text_vectors import frozen_text_vectors
from recbole_idp.models.textknn.keys import TextKNNSettings
from recbole_idp.models.textknn.whitening import whitened
from recbole_idp.nn.encoder.keys import TransformerSettings
from recbole_idp.nn.encoder.recency import RecencyEncoder

if TYPE_CHECKING:
    from recbole.config import Config
    from torch import nn

    from recbole_idp.data.dataset import SequenceDataset
    from recbole_idp.models.base.serving import Serving


class TextKNN(SequenceModel):
    """Rank items by their texts' likeness to those of the latest events.

    item texts -> frozen vectors -> whitened, of length one -> item vectors
    item ids -> item vectors -> sum over the latest events, falling with their age -> state . item vectors -> scores

    A score is a sum of cosines. There are no parameters: the model costs no training, and knows nothing of what people
    do. It says how much of a target the texts alone explain.

    Attributes:
        vectors: Whitened text vectors of all inputs; shape [I, W].
    """

    encoder_kind = "Recency"
    vectors: torch.Tensor

    def __init__(self, config: Config, dataset: SequenceDataset) -> None:
        frozen = frozen_text_vectors(TextEncoding.of(config), dataset)
        components = TextKNNSettings.of(config).whitened_components
        vectors = whitened(frozen, components or frozen.shape[1], settled=dataset.item_num - 1)
        spread = TransformerSettings.model_fields["initializer_range"].default
        super().__init__(derive(config, hidden_size=vectors.shape[1], initializer_range=spread), dataset)
        del self.item_embedding
        self.register_buffer("vectors", torch.nn.functional.pad(vectors, (0, 0, 1, 0)), persistent=False)

    def build_encoder(self, config: Config) -> nn.Module:
        """Build the sum over the latest events."""
        return RecencyEncoder(TextKNNSettings.of(config))

    def item_vectors(self) -> torch.Tensor:
        """Return the whitened text vector of every input; shape [I, W]."""
        return self.vectors

    def serving(self) -> Serving:
        """Return the parts that compute scores; the width is that of the vectors."""
        return dataclasses.replace(super().serving(), sizes={"hidden_size": self.vectors.shape[1]})
