"""The user encoder of TransRec (arXiv 2206.06190)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from recbole_idp.nn.dropout import Dropout
from recbole_idp.nn.encoder.transformer import Block

if TYPE_CHECKING:
    from recbole_idp.nn.encoder.keys import TransformerSettings


class BidirectionalEncoder(nn.Module):
    """BERT's layers over item vectors: the user is the state of the last event, which all events before it have formed.

    item vectors [B, L, D] + positions, zero at first -> dropout -> bidirectional blocks -> states [B, L, D]

    There is no norm before the blocks. First weights are PyTorch's, as in the paper's code, whose own initialisation
    does not act.

    Args:
        settings: Sizes, dropout and activation of the blocks.
        max_length: Maximum number of events in a sequence.
    """

    def __init__(self, settings: TransformerSettings, max_length: int) -> None:
        super().__init__()
        self.position_embedding = nn.Embedding(max_length, settings.hidden_size)
        self.dropout = Dropout(settings.hidden_dropout_prob)
        self.blocks = nn.ModuleList(Block(settings, causal=False) for _ in range(settings.n_layers))

    def draw_weights(self) -> None:
        """Draw the first weights, as the paper's code does."""
        for module in self.modules():
            if isinstance(module, (nn.Linear, nn.LayerNorm)):
                module.reset_parameters()
        nn.init.zeros_(self.position_embedding.weight)

    def forward(self, vectors: torch.Tensor, padding: torch.Tensor) -> torch.Tensor:
        """Encode sequences of item vectors.

        Args:
            vectors: Shape [B, L, D].
            padding: True at padded positions, which are on the right; bool, shape [B, L].

        Returns:
            The state at each position, shape [B, L, D]; undefined at padded ones.
        """
        states = self.dropout(vectors + self.position_embedding.weight[: vectors.shape[1]])
        for block in self.blocks:
            states = block(states, padding)
        return states
