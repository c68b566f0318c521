"""The blocks of HSTU: attention without a softmax, and a gate in place of a feed-forward layer (arXiv 2402.17152)."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import nn
from torch.nn import functional

from recbole_idp.nn.adapters.sockets import Socket
from recbole_idp.nn.dropout import Dropout
from recbole_idp.nn.encoder.ages import by_age
from recbole_idp.nn.encoder.pre_norm import PreNormEncoder
from recbole_idp.nn.initial import OwnWeights

if TYPE_CHECKING:
    from recbole_idp.nn.encoder.keys import TransformerSettings


class PointwiseAttention(nn.Module):
    """SiLU(Q K^T + bias) V / N over earlier events (HSTU, Eq. 2).

    The sum is divided by the maximum number of events N, not by that of the row, so that how many events agree shows.

    Args:
        n_heads: Number of heads; it divides the width D. They share the bias.
        max_length: Maximum number of events N in a sequence.
        std: Standard deviation of the bias's initial values.

    Attributes:
        bias (nn.Parameter): Added to a score, by how many events ago the other event was; shape [N].
    """

    def __init__(self, n_heads: int, max_length: int, std: float) -> None:
        super().__init__()
        self.n_heads, self.max_length = n_heads, max_length
        self.bias = nn.Parameter(torch.randn(max_length) * std)

    def forward(self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        """Let each position read itself and earlier ones; shapes [B, L, D]."""
        batch, length, width = query.shape
        size = (batch, length, self.n_heads, width // self.n_heads)
        query, key, value = (part.view(size).transpose(1, 2).flatten(0, 1) for part in (query, key, value))
        scores = torch.baddbmm(by_age(self.bias, length), query, key.transpose(1, 2))
        weights = (functional.silu(scores) / self.max_length).tril()
        read = torch.bmm(weights, value).view(batch, self.n_heads, length, -1)
        return read.transpose(1, 2).reshape(batch, length, width)


class HSTUBlock(OwnWeights):
    """x + W_2 dropout(norm(attention) * U), with U, V, Q, K = SiLU(W_1 norm(x)) (HSTU, Eqs. 1 to 3).

    Args:
        settings: Sizes and dropout.
        max_length: Maximum number of events in a sequence.

    Attributes:
        sockets: Where adapters are grafted: behind the block's only layer.
    """

    sockets: ClassVar[tuple[str, ...]] = ("socket",)

    def __init__(self, settings: TransformerSettings, max_length: int) -> None:
        super().__init__()
        width, eps = settings.hidden_size, settings.layer_norm_eps
        self.norm = nn.LayerNorm(width, eps=eps)
        self.inner = nn.Linear(width, 4 * width, bias=False)
        self.attention = PointwiseAttention(settings.n_heads, max_length, settings.initializer_range)
        self.attention_norm = nn.LayerNorm(width, eps=eps)
        self.outer = nn.Linear(width, width)
        self.socket = Socket()
        self.dropout = Dropout(settings.hidden_dropout_prob)

    def draw_weights(self) -> None:
        """Draw the outer matrix from Glorot's uniform distribution, as the authors' code does."""
        nn.init.xavier_uniform_(self.outer.weight)

    def forward(self, states: torch.Tensor, padding: torch.Tensor | None) -> torch.Tensor:
        """Return the next layer's states.

        Args:
            states: Shape [B, L, D].
            padding: Unused, because padding on the right changes no earlier state.
        """
        normed = self.norm(states)
        gate, value, query, key = functional.silu(self.inner(normed)).chunk(4, dim=-1)
        read = self.attention_norm(self.attention(query, key, value))
        return states + self.socket(self.outer(self.dropout(read * gate)), normed)

    @property
    def second_norm(self) -> nn.LayerNorm:
        """The norm behind attention."""
        return self.attention_norm


class HSTUEncoder(PreNormEncoder):
    """HSTU (arXiv 2402.17152) with relative positions: scaled item vectors, positions, and :class:`HSTUBlock`.

    Args:
        settings: Sizes and dropout; ``inner_size``, ``hidden_act`` and ``attn_dropout_prob`` are not read.
        max_length: Maximum number of events in a sequence.
    """

    def __init__(self, settings: TransformerSettings, max_length: int) -> None:
        block = functools.partial(HSTUBlock, settings, max_length)
        super().__init__(settings, max_length, block, scale=settings.hidden_size**0.5)
