"""Read a user at a token that stands after the last event."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from recbole_idp.nn.initial import truncated_normal_


class TokenEncoder(nn.Module):
    """A causal encoder that reads the user at a token: [TCL] in PeterRec.

    item vectors [B, L, D] -> the token's vector after the last event of each row -> encoder -> states [B, L, D]

    The state at a row's last event is that of the token, so that a model needs to know nothing of it.

    Args:
        encoder: The encoder, which takes sequences of L + 1 vectors.
        width: Width D.
        std: Standard deviation of the token's initial vector.

    Attributes:
        token (nn.Parameter): Vector of the token; shape [D].
    """

    def __init__(self, encoder: nn.Module, width: int, std: float) -> None:
        super().__init__()
        self.encoder = encoder
        self.token = nn.Parameter(truncated_normal_(torch.empty(width), std))

    def forward(self, vectors: torch.Tensor, padding: torch.Tensor) -> torch.Tensor:
        """Encode sequences of item vectors.

        Args:
            vectors: Shape [B, L, D].
            padding: True at padded positions, which are on the right; bool, shape [B, L].

        Returns:
            The state at each position, that of the token at the last event; shape [B, L, D]; undefined at padded ones.
        """
        lengths = (~padding).sum(1, keepdim=True)
        is_token = torch.arange(vectors.shape[1] + 1, device=vectors.device) == lengths
        longer = torch.where(is_token.unsqueeze(2), self.token, functional.pad(vectors, (0, 0, 0, 1)))
        states = self.encoder(longer, functional.pad(padding, (0, 1), value=True) & ~is_token)
        return torch.where(is_token[:, 1:].unsqueeze(2), states[:, 1:], states[:, :-1])
