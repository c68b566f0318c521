"""The recurrent network of GRU4Rec."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from recbole_idp.nn.dropout import Dropout

if TYPE_CHECKING:
    from recbole_idp.nn.encoder.keys import GRUSettings


class GRUEncoder(nn.Module):
    """The encoder of GRU4Rec: a recurrent network over the items of a sequence.

    item vectors [B, L, D] -> dropout -> GRU of width H -> dense layer -> states [B, L, D]

    The order of the operations is that of RecBole's GRU4Rec: with the same weights it gives the same states.

    Args:
        hidden_size: Width D.
        settings: Width H, layers and dropout of the GRU.
    """

    def __init__(self, hidden_size: int, settings: GRUSettings) -> None:
        super().__init__()
        inner = settings.gru_hidden_size
        self.dropout = Dropout(settings.gru_dropout_prob)
        self.gru = nn.GRU(hidden_size, inner, settings.gru_layers, bias=False, batch_first=True)
        self.dense = nn.Linear(inner, hidden_size)
        for weight in self.gru.parameters():
            nn.init.xavier_uniform_(weight)

    def forward(self, vectors: torch.Tensor, padding: torch.Tensor) -> torch.Tensor:
        """Encode sequences of item vectors.

        Args:
            vectors: Shape [B, L, D].
            padding: Unused, because padding on the right changes no earlier state; bool, shape [B, L].

        Returns:
            The state at each position, shape [B, L, D]; undefined at padded ones.
        """
        # Packing the rows would skip the padding, but costs more than the little padding of batches of like length.
        states, _ = self.gru(self.dropout(vectors))
        return self.dense(states)
