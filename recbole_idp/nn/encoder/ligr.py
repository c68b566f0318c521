"""The blocks of LiGR (arXiv 2502.03417), as eSASRec has them (arXiv 2508.06450): pre-norm, with gated residuals."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import nn
from torch.nn import functional

from recbole_idp.nn.adapters.sockets import Socket
from recbole_idp.nn.dropout import Dropout
from recbole_idp.nn.encoder.pre_norm import PreNormEncoder
from recbole_idp.nn.encoder.transformer import SelfAttention
from recbole_idp.nn.initial import OwnWeights

if TYPE_CHECKING:
    from recbole_idp.nn.encoder.keys import TransformerSettings


class SwiGLU(nn.Module):
    """A feed-forward layer with a gate, without biases: W_3 dropout(SiLU(W_1 x) * W_2 x).

    Args:
        settings: Width, width inside, and dropout.
    """

    def __init__(self, settings: TransformerSettings) -> None:
        super().__init__()
        width, inner = settings.hidden_size, settings.inner_size
        self.inner = nn.Linear(width, inner, bias=False)
        self.gate = nn.Linear(width, inner, bias=False)
        self.outer = nn.Linear(inner, width, bias=False)
        self.dropout = Dropout(settings.hidden_dropout_prob)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Return the layer's output; shape [..., D]."""
        return self.outer(self.dropout(functional.silu(self.inner(states)) * self.gate(states)))


class LiGRBlock(OwnWeights):
    """x + sigmoid(G x) * F(norm(x)), where F is attention, and then SwiGLU (LiGR, Eq. 1).

    Args:
        settings: Sizes and dropout.

    Attributes:
        sockets: Where adapters are grafted: behind each layer and its dropout, before its gate.
    """

    sockets: ClassVar[tuple[str, ...]] = ("attention_socket", "feed_forward_socket")

    def __init__(self, settings: TransformerSettings) -> None:
        super().__init__()
        width, eps = settings.hidden_size, settings.layer_norm_eps
        self.attention_norm = nn.LayerNorm(width, eps=eps)
        self.attention = SelfAttention(width, settings.n_heads, settings.attn_dropout_prob, causal=True)
        self.attention_gate = nn.Linear(width, width)
        self.attention_socket = Socket()
        self.feed_forward_norm = nn.LayerNorm(width, eps=eps)
        self.feed_forward = SwiGLU(settings)
        self.feed_forward_gate = nn.Linear(width, width)
        self.feed_forward_socket = Socket()
        self.dropout = Dropout(settings.hidden_dropout_prob)

    def draw_weights(self) -> None:
        """Draw all matrices from Glorot's normal distribution, as eSASRec does: no norm makes up for small ones."""
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_normal_(parameter)

    def forward(self, states: torch.Tensor, padding: torch.Tensor | None) -> torch.Tensor:
        """Return the next layer's states; shapes as in :class:`~recbole_idp.nn.encoder.transformer.SelfAttention`."""
        normed = self.attention_norm(states)
        attended = self.attention_socket(self.dropout(self.attention(normed, padding)), normed)
        states = states + torch.sigmoid(self.attention_gate(states)) * attended
        normed = self.feed_forward_norm(states)
        fed = self.feed_forward_socket(self.dropout(self.feed_forward(normed)), normed)
        return states + torch.sigmoid(self.feed_forward_gate(states)) * fed

    @property
    def second_norm(self) -> nn.LayerNorm:
        """The norm of the feed-forward layer."""
        return self.feed_forward_norm


class LiGREncoder(PreNormEncoder):
    """eSASRec's encoder: positions, and :class:`LiGRBlock`.

    Args:
        settings: Sizes and dropout of the blocks; ``hidden_act`` is not read.
        max_length: Maximum number of events in a sequence.
    """

    def __init__(self, settings: TransformerSettings, max_length: int) -> None:
        super().__init__(settings, max_length, functools.partial(LiGRBlock, settings))
