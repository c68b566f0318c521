"""SASRec whose positions are counted from the latest event, as in code that pads sequences on the left."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from recbole_idp.nn.encoder.transformer import TransformerEncoder

if TYPE_CHECKING:
    from recbole_idp.nn.encoder.keys import TransformerSettings


class LatestPositionEncoder(TransformerEncoder):
    """What differs from :class:`TransformerEncoder`: the latest event always has the last position.

    Args:
        settings: Sizes, dropout and activation of the blocks.
        max_length: Maximum number of events in a sequence.
    """

    def __init__(self, settings: TransformerSettings, max_length: int) -> None:
        super().__init__(settings, max_length, causal=True)

    def forward(self, vectors: torch.Tensor, padding: torch.Tensor) -> torch.Tensor:
        """Encode sequences of item vectors; shapes as in :class:`TransformerEncoder`."""
        length = vectors.shape[1]
        first = self.position_embedding.num_embeddings - (~padding).sum(1, keepdim=True)
        # Padding is on the right here; the states there are undefined.
        places = (first + torch.arange(length, device=vectors.device)).clamp_max_(
            self.position_embedding.num_embeddings - 1
        )
        states = self.dropout(self.norm(vectors + self.position_embedding(places)))
        return self.chain(self.blocks, states, None)
