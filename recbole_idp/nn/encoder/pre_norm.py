"""What encoders with the norm before each layer share: positions, then blocks, and no norm around them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from recbole_idp.nn.adapters.sockets import Chain
from recbole_idp.nn.dropout import Dropout

if TYPE_CHECKING:
    from collections.abc import Callable

    from recbole_idp.nn.encoder.keys import TransformerSettings


class PreNormEncoder(nn.Module):
    """Position embeddings and causal blocks.

    scale * item vectors [B, L, D] + positions -> dropout -> blocks -> states [B, L, D]

    Args:
        settings: Width, number of blocks and dropout.
        max_length: Maximum number of events in a sequence.
        block: Makes a block, which maps states and mask to states.
        scale: Factor of the item vectors.
    """

    def __init__(
        self, settings: TransformerSettings, max_length: int, block: Callable[[], nn.Module], scale: float = 1.0
    ) -> None:
        super().__init__()
        self.scale = scale
        self.position_embedding = nn.Embedding(max_length, settings.hidden_size)
        self.dropout = Dropout(settings.hidden_dropout_prob)
        self.blocks = nn.ModuleList(block() for _ in range(settings.n_layers))
        self.chain = Chain()

    def forward(self, vectors: torch.Tensor, padding: torch.Tensor) -> torch.Tensor:
        """Encode sequences of item vectors.

        Args:
            vectors: Shape [B, L, D].
            padding: Unused, because padding on the right changes no earlier state; bool, shape [B, L].

        Returns:
            The state at each position, shape [B, L, D]; undefined at padded ones.
        """
        positions = self.position_embedding.weight[: vectors.shape[1]]
        return self.chain(self.blocks, self.dropout(self.scale * vectors + positions), None)
