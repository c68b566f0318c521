"""The blocks of SASRec: post-norm self-attention and feed-forward layers."""

import functools

import torch
from torch import nn
from torch.nn import functional

from recbole_idp.nn.dropout import Dropout, dropout_mask

ACTIVATIONS = {
    "gelu": functional.gelu,
    "relu": functional.relu,
    "swish": functional.silu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
}


class SelfAttention(nn.Module):
    """Multi-head self-attention with dropout on the weights.

    Args:
        hidden_size (int): Width D.
        n_heads (int): Heads; divides D.
        attn_dropout_prob (float): Dropout of the attention weights.
        causal (bool): Whether a position sees itself and earlier ones only.
    """

    def __init__(self, hidden_size, n_heads, attn_dropout_prob, causal):
        super().__init__()
        self.n_heads, self.causal = n_heads, causal
        self.attn_dropout_prob = attn_dropout_prob
        self.query_key_value = nn.Linear(hidden_size, 3 * hidden_size)
        self.dense = nn.Linear(hidden_size, hidden_size)

    def forward(self, states, padding):
        """Mixes the positions of each row.

        Args:
            states (torch.Tensor): Shape [B, L, D].
            padding (torch.BoolTensor | None): True where a position may not be seen, shape [B, L]. A causal layer needs
                none: padding stands on the right.

        Returns:
            torch.Tensor: Shape [B, L, D].
        """
        batch, length, width = states.shape
        mixed = self.query_key_value(states).view(batch, length, 3, self.n_heads, width // self.n_heads)
        # One copy makes all three contiguous, as the batched products want them.
        query, key, value = mixed.permute(2, 0, 3, 1, 4).contiguous()
        if self.training and self.attn_dropout_prob > 0:
            context = self._attend_with_dropout(query, key, value, padding)
        else:
            mask = None if padding is None else ~padding[:, None, None, :]
            context = functional.scaled_dot_product_attention(
                query, key, value, attn_mask=mask, is_causal=self.causal and mask is None
            )
        return self.dense(context.transpose(1, 2).reshape(batch, length, width))

    def _attend_with_dropout(self, query, key, value, padding):
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
def causal_mask(length, device):
    """Returns what is added to attention scores to hide later positions: 0 or -inf; shape [1, L, L]."""
    return torch.full((1, length, length), float("-inf"), device=device).triu_(1)


class Block(nn.Module):
    """Attention and feed-forward layer, each followed by dropout, a residual and a norm (IDP, section "base model")."""

    def __init__(
        self,
        hidden_size,
        n_heads,
        inner_size,
        hidden_dropout_prob,
        attn_dropout_prob,
        hidden_act,
        layer_norm_eps,
        causal,
    ):
        super().__init__()
        self.attention = SelfAttention(hidden_size, n_heads, attn_dropout_prob, causal)
        self.attention_norm = nn.LayerNorm(hidden_size, eps=layer_norm_eps)
        self.inner = nn.Linear(hidden_size, inner_size)
        self.outer = nn.Linear(inner_size, hidden_size)
        self.feed_forward_norm = nn.LayerNorm(hidden_size, eps=layer_norm_eps)
        self.activation = ACTIVATIONS[hidden_act]
        self.dropout = Dropout(hidden_dropout_prob)

    def forward(self, states, padding):
        """Returns the next layer's states; shapes as in :class:`SelfAttention`."""
        states = self.attention_norm(states + self.dropout(self.attention(states, padding)))
        fed = self.outer(self.activation(self.inner(states)))
        return self.feed_forward_norm(states + self.dropout(fed))


class TransformerEncoder(nn.Module):
    """Positions are added, then blocks follow: the encoder of SASRec, and of BERT4Rec where it is not causal.

    item vectors [B, L, D] + positions -> norm, dropout -> blocks -> states [B, L, D]

    The order of the operations is that of RecBole's SASRec: with the same weights it gives the same states.

    Args:
        config (Config): RecBole's keys ``n_layers``, ``n_heads``, ``hidden_size``, ``inner_size``,
            ``hidden_dropout_prob``, ``attn_dropout_prob``, ``hidden_act``, ``layer_norm_eps`` and
            ``MAX_ITEM_LIST_LENGTH``.
        causal (bool): Whether a position sees itself and earlier ones only.
    """

    def __init__(self, config, causal=True):
        super().__init__()
        self.causal = causal
        width = config["hidden_size"]
        self.position_embedding = nn.Embedding(config["MAX_ITEM_LIST_LENGTH"], width)
        self.norm = nn.LayerNorm(width, eps=config["layer_norm_eps"])
        self.dropout = Dropout(config["hidden_dropout_prob"])
        self.blocks = nn.ModuleList(
            Block(
                width,
                config["n_heads"],
                config["inner_size"],
                config["hidden_dropout_prob"],
                config["attn_dropout_prob"],
                config["hidden_act"],
                config["layer_norm_eps"],
                causal,
            )
            for _ in range(config["n_layers"])
        )

    def forward(self, vectors, padding):
        """Encodes sequences of item vectors.

        Args:
            vectors (torch.Tensor): Shape [B, L, D].
            padding (torch.BoolTensor): True at padded positions, which stand on the right; shape [B, L].

        Returns:
            torch.Tensor: The state at each position, shape [B, L, D]; undefined at padded ones.
        """
        states = self.dropout(self.norm(vectors + self.position_embedding.weight[: vectors.shape[1]]))
        padding = None if self.causal else padding
        for block in self.blocks:
            states = block(states, padding)
        return states
