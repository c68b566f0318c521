"""Recformer's encoder: Longformer's layers on tokens with item positions (arXiv 2305.13731, section 2.2).

Its parameters are named as those of LongformerModel in Hugging Face's transformers, whose numbers it gives. Nothing of
that library is needed: up to 512 tokens a dense matrix of scores with a mask is faster than chunks are, and above the
window is cut into blocks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from recbole_idp.nn.dropout import Dropout

FIRST, NAME, VALUE, PADDING = range(4)
"""Kinds of tokens: the first one, those of attributes' names, those of their values, padding."""
_DENSE_LENGTH = 512
# RoBERTa's positions: 0 is not used, 1 is that of padding.
FIRST_POSITION = 2


@dataclass(frozen=True)
class Tokens:
    """Flattened items, padded on the right. B sequences, n tokens.

    Attributes:
        ids: Token ids, the first being that of the start token; int64, shape [B, n].
        kinds: Kind of each token; int64, shape [B, n].
        items: Position of each token's item, from 1 for the newest one, 0 for the start token; int64, shape [B, n].
        present: False for padding; bool, shape [B, n].
    """

    ids: torch.Tensor
    kinds: torch.Tensor
    items: torch.Tensor
    present: torch.Tensor


@dataclass(frozen=True)
class LongformerSizes:
    """Sizes of the encoder.

    Attributes:
        vocabulary: Number of tokens.
        hidden_size: Width D.
        n_layers: Layers.
        n_heads: Attention heads.
        inner_size: Width inside the feed-forward layers.
        attention_window: Tokens that a token looks at, half of them on either side.
        max_tokens: Tokens of a sequence at most, with the start token.
        max_items: Items of a sequence at most.
        hidden_dropout_prob: Dropout on embeddings and layer outputs.
        attn_dropout_prob: Dropout on attention weights.
    """

    vocabulary: int
    hidden_size: int
    n_layers: int
    n_heads: int
    inner_size: int
    attention_window: int
    max_tokens: int
    max_items: int
    hidden_dropout_prob: float = 0.0
    attn_dropout_prob: float = 0.0


class Embeddings(nn.Module):
    """token + position + kind + item position -> normalised -> embedding.

    Args:
        sizes: The sizes.
        eps: Added to the variance in layer normalisation.
    """

    def __init__(self, sizes: LongformerSizes, eps: float) -> None:
        super().__init__()
        width = sizes.hidden_size
        self.word_embeddings = nn.Embedding(sizes.vocabulary, width)
        self.position_embeddings = nn.Embedding(sizes.max_tokens + FIRST_POSITION, width)
        self.token_type_embeddings = nn.Embedding(PADDING + 1, width)
        self.item_position_embeddings = nn.Embedding(sizes.max_items + 1, width)
        self.LayerNorm = nn.LayerNorm(width, eps=eps)
        self.dropout = Dropout(sizes.hidden_dropout_prob)

    def forward(self, tokens: Tokens) -> torch.Tensor:
        """Embed tokens; shape [B, n, D]."""
        places = torch.arange(tokens.ids.shape[1], device=tokens.ids.device) + FIRST_POSITION
        places = torch.where(tokens.present, places, FIRST_POSITION - 1)
        total = self.word_embeddings(tokens.ids) + self.position_embeddings(places)
        total = total + self.token_type_embeddings(tokens.kinds) + self.item_position_embeddings(tokens.items)
        return self.dropout(self.LayerNorm(total))


class WindowAttention(nn.Module):
    """Attention of each token within its window and to the start token, which looks at all tokens.

    The start token has queries, keys and values of its own for what it looks at.

    Args:
        sizes: The sizes.
    """

    def __init__(self, sizes: LongformerSizes) -> None:
        super().__init__()
        for name in ("query", "key", "value", "query_global", "key_global", "value_global"):
            setattr(self, name, nn.Linear(sizes.hidden_size, sizes.hidden_size))
        self.n_heads, self.reach = sizes.n_heads, sizes.attention_window // 2
        self.dropout_prob = sizes.attn_dropout_prob

    def forward(self, states: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
        """Mix the states of tokens.

        Args:
            states: Shape [B, n, D].
            present: False for padding; bool, shape [B, n].

        Returns:
            Shape [B, n, D].
        """
        query, key, value = (self._heads(name, states) for name in ("query", "key", "value"))
        within = self._dense if states.shape[1] <= _DENSE_LENGTH else self._in_blocks
        mixed = self._joined(within(query, key, value, present))
        return torch.cat([self.first(states, present), mixed[:, 1:]], 1)

    def first(self, states: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
        """Return what the start token gets of all tokens; arguments as in :meth:`forward`; shape [B, 1, D]."""
        query = self._heads("query_global", states[:, :1])
        key, value = self._heads("key_global", states), self._heads("value_global", states)
        return self._joined(self._attend(query, key, value, present[:, None, None, :]))

    def _heads(self, name: str, states: torch.Tensor) -> torch.Tensor:
        """Project states; shape [B, heads, n, D / heads]."""
        return getattr(self, name)(states).unflatten(2, (self.n_heads, -1)).transpose(1, 2)  # type: ignore[no-any-return]

    def _joined(self, heads: torch.Tensor) -> torch.Tensor:
        """Put heads side by side; shape [B, n, D]."""
        return heads.transpose(1, 2).flatten(2)

    def _attend(
        self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, allowed: torch.Tensor
    ) -> torch.Tensor:
        dropout = self.dropout_prob if self.training else 0.0
        return functional.scaled_dot_product_attention(query, key, value, allowed, dropout)

    def _dense(
        self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, present: torch.Tensor
    ) -> torch.Tensor:
        """Attend with a score for every pair of tokens, of which most are masked."""
        places = torch.arange(query.shape[2], device=query.device)
        near = (places.unsqueeze(1) - places).abs() <= self.reach
        allowed = (near | (places == 0)) & present.unsqueeze(1)
        return self._attend(query, key, value, allowed.unsqueeze(1))

    def _in_blocks(
        self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, present: torch.Tensor
    ) -> torch.Tensor:
        """Attend block by block: the queries of one look at three blocks of keys, and at the start token."""
        length, size = query.shape[2], max(1, self.reach)
        n_blocks = -(-length // size)
        behind = n_blocks * size - length
        blocks = functional.pad(query, (0, 0, 0, behind)).unflatten(2, (n_blocks, size))

        def around(values: torch.Tensor) -> torch.Tensor:
            """Return the start token and three blocks for each block; shape [B, heads, blocks, 1 + 3 size, d]."""
            padded = functional.pad(values, (0, 0, size, size + behind))
            windows = padded.unfold(2, 3 * size, size).transpose(3, 4)
            start = values[:, :, None, :1].expand(-1, -1, n_blocks, -1, -1)
            return torch.cat([start, windows], 3)

        own = torch.arange(n_blocks * size, device=query.device).view(n_blocks, size, 1)
        others = own[:, :1] + torch.arange(-size, 2 * size, device=query.device)
        near = ((own - others).abs() <= self.reach) & (others > 0)
        there = functional.pad(present, (size, size + behind)).unfold(1, 3 * size, size)
        allowed = near & there.unsqueeze(2)
        allowed = torch.cat([torch.ones_like(allowed[..., :1]), allowed], 3).unsqueeze(1)
        return self._attend(blocks, around(key), around(value), allowed).flatten(2, 3)[:, :, :length]


class _Dense(nn.Module):
    """A dense layer, added to the input and normalised."""

    def __init__(self, inner: int, width: int, eps: float, dropout_prob: float) -> None:
        super().__init__()
        self.dense, self.LayerNorm = nn.Linear(inner, width), nn.LayerNorm(width, eps=eps)
        self.dropout = Dropout(dropout_prob)

    def forward(self, values: torch.Tensor, states: torch.Tensor) -> torch.Tensor:
        return self.LayerNorm(self.dropout(self.dense(values)) + states)  # type: ignore[no-any-return]


class Layer(nn.Module):
    """Attention and feed-forward layer, each added to its input and normalised.

    Args:
        sizes: The sizes.
        eps: Added to the variance in layer normalisation.
    """

    def __init__(self, sizes: LongformerSizes, eps: float) -> None:
        super().__init__()
        width, dropout_prob = sizes.hidden_size, sizes.hidden_dropout_prob
        # The names are those of transformers, so that its weights fit.
        self.attention: Any = nn.Module()
        self.attention.add_module("self", WindowAttention(sizes))
        self.attention.add_module("output", _Dense(width, width, eps, dropout_prob))
        self.intermediate: Any = nn.Module()
        self.intermediate.add_module("dense", nn.Linear(width, sizes.inner_size))
        self.output = _Dense(sizes.inner_size, width, eps, dropout_prob)

    def forward(self, states: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
        """Compute the next states of all tokens; shapes [B, n, D] and [B, n]."""
        return self._after(self.attention.self(states, present), states)

    def first(self, states: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
        """Compute the next state of the start token alone; shape [B, 1, D]."""
        return self._after(self.attention.self.first(states, present), states[:, :1])

    def _after(self, mixed: torch.Tensor, states: torch.Tensor) -> torch.Tensor:
        states = self.attention.output(mixed, states)
        return self.output(functional.gelu(self.intermediate.dense(states)), states)  # type: ignore[no-any-return]


class Longformer(nn.Module):
    """tokens -> embeddings -> layers -> states.

    Args:
        sizes: The sizes.
        eps: Added to the variance in layer normalisation.
    """

    def __init__(self, sizes: LongformerSizes, eps: float = 1e-5) -> None:
        super().__init__()
        self.embeddings = Embeddings(sizes, eps)
        self.encoder: Any = nn.Module()
        self.encoder.add_module("layer", nn.ModuleList(Layer(sizes, eps) for _ in range(sizes.n_layers)))

    def forward(self, tokens: Tokens) -> torch.Tensor:
        """Compute the states of all tokens; those of padding mean nothing; shape [B, n, D]."""
        states = self.embeddings(tokens)
        for layer in self.encoder.layer:
            states = layer(states, tokens.present)
        return states  # type: ignore[no-any-return]

    def first(self, tokens: Tokens) -> torch.Tensor:
        """Compute the state of the start token, which stands for the sequence; shape [B, D].

        The last layer computes no other.
        """
        states = self.embeddings(tokens)
        *lower, last = self.encoder.layer
        for layer in lower:
            states = layer(states, tokens.present)
        return last.first(states, tokens.present).squeeze(1)  # type: ignore[no-any-return]
