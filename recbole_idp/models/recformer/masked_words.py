"""Masked language modelling over flattened items (arXiv 2305.13731, section 2.3)."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    from recbole_idp.models.recformer.longformer import Tokens

_HIDDEN, _REPLACED = 0.8, 0.9


class MaskedWordHead(nn.Module):
    """states -> dense layer, GELU, normalisation -> products with the token vectors + bias -> scores of tokens.

    Args:
        width: Width D.
        vocabulary: Number of tokens V.
        eps: Added to the variance in layer normalisation.
    """

    def __init__(self, width: int, vocabulary: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.dense, self.layer_norm = nn.Linear(width, width), nn.LayerNorm(width, eps=eps)
        self.bias = nn.Parameter(torch.zeros(vocabulary))

    def forward(self, states: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
        """Score tokens.

        Args:
            states: Shape [T, D].
            table: Token vectors; shape [V, D].

        Returns:
            Shape [T, V].
        """
        return functional.linear(self.layer_norm(functional.gelu(self.dense(states))), table, self.bias)


def mask_words(
    tokens: Tokens, begins: torch.Tensor, share: float, mask: int, vocabulary: int
) -> tuple[Tokens, torch.Tensor]:
    """Choose words, and hide all tokens of each: 80 % by the mask, 10 % by any token, 10 % not at all.

    Args:
        tokens: The tokens.
        begins: Whether a token is the first one of a word; bool, shape [B, n].
        share: Chance of a word to be chosen.
        mask: The token that hides another one.
        vocabulary: Number of tokens.

    Returns:
        The tokens with some hidden, and which ones belong to chosen words; bool, shape [B, n].
    """
    # The start token stands before all items, and padding after them.
    inside = tokens.present & (torch.arange(tokens.ids.shape[1], device=tokens.ids.device) > 0)
    word = (begins & inside).cumsum(1)
    chosen = (torch.rand(word.shape, device=word.device) < share).gather(1, word) & inside
    fate = torch.rand(word.shape, device=word.device)
    others = torch.randint(vocabulary, word.shape, device=word.device)
    ids = torch.where(chosen & (fate < _HIDDEN), mask, tokens.ids)
    ids = torch.where(chosen & (fate >= _HIDDEN) & (fate < _REPLACED), others, ids)
    return dataclasses.replace(tokens, ids=ids), chosen
