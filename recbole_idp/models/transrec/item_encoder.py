"""The item encoders of TransRec: one for texts, one for pictures (arXiv 2206.06190, section 3.1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import nn
from torch.nn import functional

from recbole_idp.nn.dropout import Dropout

NOTHING, TEXT, IMAGE = 0, 1, 2
"""What an item is made of; nothing is for padding and for items without content, whose vector is zero."""

Encoder = Callable[[torch.Tensor], torch.Tensor]
"""Turns numbers of inputs [R] into vectors [R, D]."""


class TextHead(nn.Module):
    """Turns the states of a text's tokens into one vector.

    states [B, L, H] -> dropout -> self-attention of some heads -> dropout -> weighted sum of tokens -> dense [B, D]

    The weights of the sum come from two dense layers with tanh between them. Padding takes no part: in the paper's code
    it does, so that a title's vector depends on how far it is padded, which a mask of ones reproduces.

    Args:
        state_width: Width H of the states.
        width: Width D of the item vectors.
        n_heads: Heads of the self-attention.
        head_size: Width of a head.
        pool_size: Width between the two dense layers.
        dropout_prob: Dropout on the states and on what the self-attention makes of them.
    """

    def __init__(
        self, state_width: int, width: int, n_heads: int, head_size: int, pool_size: int, dropout_prob: float
    ) -> None:
        super().__init__()
        self.n_heads = n_heads
        inner = n_heads * head_size
        self.query, self.key, self.value = (nn.Linear(state_width, inner) for _ in range(3))
        for layer in (self.query, self.key, self.value):
            nn.init.xavier_uniform_(layer.weight)
        self.weigh, self.weight = nn.Linear(inner, pool_size), nn.Linear(pool_size, 1)
        self.dense = nn.Linear(inner, width)
        self.dropout = Dropout(dropout_prob)

    def forward(self, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Pool the states of texts.

        Args:
            states: Shape [B, L, H].
            mask: 1 at tokens, of which each text has one, and 0 at padding; shape [B, L].

        Returns:
            Shape [B, D].
        """
        present = mask.bool()
        states = self.dropout(states)
        parts = (layer(states).unflatten(2, (self.n_heads, -1)) for layer in (self.query, self.key, self.value))
        query, key, value = (part.transpose(1, 2) for part in parts)
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=present[:, None, None])
        mixed = self.dropout(mixed.transpose(1, 2).flatten(2))
        weights = self.weight(torch.tanh(self.weigh(mixed))).squeeze(2)
        weights = weights.masked_fill(~present, float("-inf")).softmax(1)
        return self.dense((weights.unsqueeze(1) @ mixed).squeeze(1))


def by_modality(
    rows: torch.Tensor, modality: torch.Tensor, encoders: Mapping[int, Encoder], width: int
) -> torch.Tensor:
    """Encode each input by the encoder of its modality; an input has one.

    Args:
        rows: Numbers of inputs; int64, shape [R].
        modality: :data:`NOTHING`, :data:`TEXT` or :data:`IMAGE` for each input; shape [I].
        encoders: The encoder of each modality.
        width: Width D of their vectors.

    Returns:
        The vectors, zero for inputs that are made of nothing; shape [R, D].
    """
    kinds = modality[rows]
    vectors = torch.zeros(len(rows), width, device=rows.device)
    for kind, encode in encoders.items():
        if len(places := (kinds == kind).nonzero().squeeze(1)):
            vectors = vectors.index_copy(0, places, encode(rows[places]))
    return vectors
