"""The blocks of SASRec: post-norm self-attention and feed-forward layers."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import nn
from torch.nn import functional

from recbole_idp.nn.adapters.sockets import Chain, Socket
from recbole_idp.nn.dropout import Dropout, dropout_mask

if TYPE_CHECKING:
    from recbole_idp.nn.encoder.keys import TransformerSettings

ACTIVATIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "gelu": functional.gelu,
    "relu": functional.relu,
    "swish": functional.silu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
}


class SelfAttention(nn.Module):
    """Multi-head self-attention with dropout on the weights.

    Args:
        hidden_size: Width D.
        n_heads: Number of heads; it divides D.
        attn_dropout_prob: Dropout of the attention weights.
        causal: Whether a position attends to itself and earlier ones only.
    """

    def __init__(self, hidden_size: int, n_heads: int, attn_dropout_prob: float, causal: bool) -> None:
        super().__init__()
        self.n_heads, self.causal = n_heads, causal
        self.attn_dropout_prob = attn_dropout_prob
        self.query_key_value = nn.Linear(hidden_size, 3 * hidden_size)
        self.dense = nn.Linear(hidden_size, hidden_size)

    def forward(self, states: torch.Tensor, padding: torch.Tensor | None) -> torch.Tensor:
        """Let the positions of each row attend to each other.

        Args:
            states: States; shape [B, L, D].
            padding: True at padded positions, bool, shape [B, L]. A causal layer needs none, as padding is on the
                right.

        Returns:
            The new states; shape [B, L, D].
        """
        batch, length, width = states.shape
        mixed = self.query_key_value(states).view(batch, length, 3, self.n_heads, width // self.n_heads)
        # One copy makes all three contiguous, as the batched products need them.
        query, key, value = mixed.permute(2, 0, 3, 1, 4).contiguous()
        if self.training and self.attn_dropout_prob > 0:
            context = self._attend_with_dropout(query, key, value, padding)
        else:
            mask = None if padding is None else ~padding[:, None, None, :]
            context = functional.scaled_dot_product_attention(
                query, key, value, attn_mask=mask, is_causal=self.causal and mask is None
            )
        return self.dense(context.transpose(1, 2).reshape(batch, length, width))

    def _attend_with_dropout(
        self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, padding: torch.Tensor | None
    ) -> torch.Tensor:
        """Attend with the fast dropout of :mod:`recbole_idp.nn.dropout`; shapes [B, heads, L, D / heads]."""
        batch, heads, length, width = query.shape
        query, key, value = (part.flatten(0, 1) for part in (query, key, value))
        hidden = causal_mask(length, query.device) if self.causal else query.new_zeros(1, 1)
        if padding is not None:
            rows = torch.zeros_like(padding, dtype=query.dtype).masked_fill_(padding, float("-inf"))
            hidden = hidden + rows.repeat_interleave(heads, 0).unsqueeze(1)
        weights = torch.baddbmm(hidden, query, key.transpose(1, 2), alpha=width**-0.5).softmax(-1)
        if weights.device.type == "cpu":
            weights = weights * dropout_mask(weights.shape, self.attn_dropout_prob, weights.dtype)
        else:
            weights = functional.dropout(weights, self.attn_dropout_prob)
        return torch.bmm(weights, value).view(batch, heads, length, width)


@functools.lru_cache(maxsize=256)
def causal_mask(length: int, device: torch.device) -> torch.Tensor:
    """Return the mask that is added to attention scores: -inf at later positions, else 0; shape [1, L, L]."""
    return torch.full((1, length, length), float("-inf"), device=device).triu_(1)


class Block(nn.Module):
    """Attention and feed-forward layer, each followed by dropout, a residual and a norm (IDP, section "base model").

    Args:
        settings: Sizes, dropout and activation.
        causal: Whether a position attends to itself and earlier ones only.

    Attributes:
        sockets: Where adapters are grafted: behind each layer and its dropout.
    """

    sockets: ClassVar[tuple[str, ...]] = ("attention_socket", "feed_forward_socket")

    def __init__(self, settings: TransformerSettings, causal: bool) -> None:
        super().__init__()
        width, inner = settings.hidden_size, settings.inner_size
        self.attention = SelfAttention(width, settings.n_heads, settings.attn_dropout_prob, causal)
        self.attention_socket = Socket()
        self.attention_norm = nn.LayerNorm(width, eps=settings.layer_norm_eps)
        self.inner = nn.Linear(width, inner)
        self.outer = nn.Linear(inner, width)
        self.feed_forward_socket = Socket()
        self.feed_forward_norm = nn.LayerNorm(width, eps=settings.layer_norm_eps)
        self.activation = ACTIVATIONS[settings.hidden_act]
        self.dropout = Dropout(settings.hidden_dropout_prob)

    def forward(self, states: torch.Tensor, padding: torch.Tensor | None) -> torch.Tensor:
        """Return the next layer's states; shapes as in :class:`SelfAttention`."""
        return self.feed_forward(self.attend(states, padding))

    def attend(self, states: torch.Tensor, padding: torch.Tensor | None) -> torch.Tensor:
        """Return the states after attention, residual and norm; shapes as in :class:`SelfAttention`."""
        attended = self.dropout(self.attention(states, padding))
        return self.attention_norm(states + self.attention_socket(attended, states))

    def feed_forward(self, states: torch.Tensor) -> torch.Tensor:
        """Return the states after the feed-forward layer, residual and norm; shape [B, L, D]."""
        fed = self.dropout(self.outer(self.activation(self.inner(states))))
        return self.feed_forward_norm(states + self.feed_forward_socket(fed, states))

    @property
    def second_norm(self) -> nn.LayerNorm:
        """The norm behind the feed-forward layer."""
        return self.feed_forward_norm


class TransformerEncoder(nn.Module):
    """Position embeddings and blocks: the encoder of SASRec and, if it is not causal, of BERT4Rec.

    item vectors [B, L, D] + positions -> norm, dropout -> blocks -> states [B, L, D]

    The order of the operations is that of RecBole's SASRec: with the same weights it gives the same states.

    Args:
        settings: Sizes, dropout and activation of the blocks.
        max_length: Maximum number of events in a sequence.
        causal: Whether a position attends to itself and earlier ones only.
        block: Makes a block, which maps states and mask to states; None: :class:`Block`.
    """

    def __init__(
        self,
        settings: TransformerSettings,
        max_length: int,
        causal: bool = True,
        block: Callable[[], nn.Module] | None = None,
    ) -> None:
        super().__init__()
        make_block = block or functools.partial(Block, settings, causal)
        self.causal = causal
        self.position_embedding = nn.Embedding(max_length, settings.hidden_size)
        self.norm = nn.LayerNorm(settings.hidden_size, eps=settings.layer_norm_eps)
        self.dropout = Dropout(settings.hidden_dropout_prob)
        self.blocks = nn.ModuleList(make_block() for _ in range(settings.n_layers))
        self.chain = Chain()

    def forward(self, vectors: torch.Tensor, padding: torch.Tensor) -> torch.Tensor:
        """Encode sequences of item vectors.

        Args:
            vectors: Shape [B, L, D].
            padding: True at padded positions, which are on the right; bool, shape [B, L].

        Returns:
            The state at each position, shape [B, L, D]; undefined at padded ones.
        """
        states = self.dropout(self.norm(vectors + self.position_embedding.weight[: vectors.shape[1]]))
        mask = None if self.causal else padding
        return self.chain(self.blocks, states, mask)
