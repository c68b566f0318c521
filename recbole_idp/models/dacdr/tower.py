"""The user side of DA-CDR: one sequence encoder for both domains, and what each makes of its states."""

from __future__ import annotations

import torch
from torch import nn

from recbole_idp.models.dacdr.encoders import TARGET, SharedPrivateEncoder


class UserTower(nn.Module):
    """item vectors [B, L, D] -> sequence encoder -> x_u -> shared and private encoder of the target -> r_u [B, L, D]

    It has the interface of a sequence encoder.

    Args:
        encoder: The sequence encoder, of both domains.
        users: Makes representations of its states.
    """

    def __init__(self, encoder: nn.Module, users: SharedPrivateEncoder) -> None:
        super().__init__()
        self.encoder, self.users = encoder, users

    def forward(self, vectors: torch.Tensor, padding: torch.Tensor) -> torch.Tensor:
        """Return the representations of the target's users; as :meth:`TransformerEncoder.forward`."""
        return self.users(self.encoder(vectors, padding), TARGET)
