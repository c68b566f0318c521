"""From the states of a fixed number of events to one user vector (PRECISE, Targeted Training)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from recbole_idp.nn.encoder.transformer import TransformerEncoder

HEADS = ("mlp", "residual")
"""``mlp`` is the paper's; ``residual`` adds the last state, so that what the states were trained for before is kept."""


class UserHead(nn.Module):
    """h' = MLP(CONCAT(h_1 ... h_n)) (arXiv 2412.06308, Targeted Training).

    Events are counted from the latest, which has the first place; places without an event are zero.

    Args:
        length: Number of events n.
        width: Width D.
        inner_size: Width between the MLP's two layers.
        kind: One of :data:`HEADS`.
    """

    def __init__(self, length: int, width: int, inner_size: int, kind: str) -> None:
        super().__init__()
        self.length, self.residual = length, kind == "residual"
        self.inner, self.outer = nn.Linear(length * width, inner_size), nn.Linear(inner_size, width)
        self.activation = nn.GELU()
        if self.residual:
            # At first the user vector is the last state.
            nn.init.zeros_(self.outer.weight)
            nn.init.zeros_(self.outer.bias)

    def forward(self, states: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Compute user vectors.

        Args:
            states: Undefined after the end of a row; shape [B, L, D], L at most n.
            lengths: Shape [B].

        Returns:
            Shape [B, D].
        """
        places = lengths.unsqueeze(1) - 1 - torch.arange(self.length, device=states.device)
        index = places.clamp_min(0).unsqueeze(-1).expand(-1, -1, states.shape[-1])
        slots = states.gather(1, index).masked_fill((places < 0).unsqueeze(-1), 0.0)
        vectors = self.outer(self.activation(self.inner(slots.flatten(1))))
        return vectors + slots[:, 0] if self.residual else vectors


class HeadedEncoder(nn.Module):
    """Transformer and head with the interface of a sequence encoder, whose state at each position is the user vector.

    item vectors [B, L, D] -> bidirectional Transformer -> head -> user vector, repeated at each position

    Args:
        encoder: The Transformer.
        head: The head.
    """

    def __init__(self, encoder: TransformerEncoder, head: UserHead) -> None:
        super().__init__()
        self.encoder, self.head = encoder, head

    def forward(self, vectors: torch.Tensor, padding: torch.Tensor) -> torch.Tensor:
        """Encode sequences no longer than the head reads; as :meth:`TransformerEncoder.forward`."""
        users = self.head(self.encoder(vectors, padding), (~padding).sum(1))
        return users.unsqueeze(1).expand(-1, vectors.shape[1], -1)


def latest_events(items: torch.Tensor, lengths: torch.Tensor, length: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Keep the latest events of histories.

    Args:
        items: Padded with 0 on the right; int64, shape [B, L].
        lengths: Shape [B].
        length: Largest number of events that are kept.

    Returns:
        Items, as long as the longest row that is left, and lengths.
    """
    kept = lengths.clamp(max=length)
    columns = torch.arange(int(kept.max()), device=items.device)
    places = ((lengths - kept).unsqueeze(1) + columns).clamp_max(items.shape[1] - 1)
    return items.gather(1, places).masked_fill(columns >= kept.unsqueeze(1), 0), kept
