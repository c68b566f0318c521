"""The bidirectional encoder of BERT4Rec."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from recbole_idp.nn.encoder.transformer import TransformerEncoder

if TYPE_CHECKING:
    from recbole_idp.nn.encoder.keys import TransformerSettings


class BERT4RecEncoder(TransformerEncoder):
    """Bidirectional blocks, a vector for masked items, and a layer before the scores.

    item vectors [B, L, D] -> those of masked items replaced -> bidirectional blocks -> dense, GELU, norm -> states

    The order of the operations is that of RecBole's BERT4Rec: with the same weights it gives the same states.

    Args:
        settings: Sizes, dropout and the standard deviation of the vector's initial values.
        max_length: Maximum number of events in a sequence.

    Attributes:
        mask_vector (nn.Parameter): Vector of masked items; shape [D].
    """

    def __init__(self, settings: TransformerSettings, max_length: int) -> None:
        super().__init__(settings, max_length, causal=False)
        width = settings.hidden_size
        self.mask_vector = nn.Parameter(torch.randn(width) * settings.initializer_range)
        self.output = nn.Linear(width, width)
        self.output_norm = nn.LayerNorm(width, eps=settings.layer_norm_eps)

    def forward(self, vectors: torch.Tensor, padding: torch.Tensor, hidden: torch.Tensor | None = None) -> torch.Tensor:
        """Encode sequences of item vectors.

        Args:
            vectors: Shape [B, L, D].
            padding: True at padded positions, which are on the right; bool, shape [B, L].
            hidden: True at masked items; bool, shape [B, L].

        Returns:
            The state at each position, shape [B, L, D]; undefined at padded ones.
        """
        if hidden is not None:
            vectors = torch.where(hidden.unsqueeze(-1), self.mask_vector, vectors)
        states = super().forward(vectors, padding)
        return self.output_norm(functional.gelu(self.output(states)))
