"""RecBole's Transformer encoder, faster: layers in fewer passes over memory, the last one only where it is read."""

import torch
from recbole.config import Config
from recbole.data.dataset import Dataset
from recbole.model.layers import MultiHeadAttention, TransformerEncoder, TransformerLayer
from torch import nn

from recbole_idp.nn.dropout import Dropout
from recbole_idp.recbole_models.fast.loss import TrimmedModel


def use_fast_layers(encoder: TransformerEncoder, hidden_dropout: float, attn_dropout: float, hidden_act: str) -> None:
    """Replace dropout and GELU of an encoder's layers by forms that need fewer passes over memory.

    RecBole writes GELU as five operations, each of which reads and writes the widest tensor of a layer; PyTorch has it
    as one. No parameter and no name of one changes.

    Args:
        encoder: RecBole's encoder, changed in place.
        hidden_dropout: Dropout probability after the dense layers.
        attn_dropout: Dropout probability of attention weights.
        hidden_act: RecBole's name of the activation in the feed-forward layers.
    """
    for layer in encoder.layer:
        attention, feed_forward = layer.multi_head_attention, layer.feed_forward
        attention.attn_dropout, attention.out_dropout = Dropout(attn_dropout), Dropout(hidden_dropout)
        feed_forward.dropout = Dropout(hidden_dropout)
        if hidden_act == "gelu":
            feed_forward.intermediate_act_fn = nn.functional.gelu


class FastTransformerModel(TrimmedModel):
    """Mixin for RecBole's models of one Transformer over items and positions: SASRec and BERT4Rec.

    Args:
        config: RecBole's configuration.
        dataset: RecBole's dataset.
    """

    hidden_dropout_prob: float
    attn_dropout_prob: float
    hidden_act: str
    trm_encoder: TransformerEncoder
    item_embedding: nn.Embedding
    position_embedding: nn.Embedding
    LayerNorm: nn.LayerNorm

    def __init__(self, config: Config, dataset: Dataset) -> None:
        super().__init__(config, dataset)  # type: ignore[call-arg]  # RecBole's model
        self.dropout = Dropout(self.hidden_dropout_prob)
        use_fast_layers(self.trm_encoder, self.hidden_dropout_prob, self.attn_dropout_prob, self.hidden_act)

    def embed_positions(self, item_seq: torch.Tensor) -> torch.Tensor:
        """Return the encoder's input for histories: item vectors and positions; shape [B, L, D]."""
        positions = self.position_embedding(position_ids(item_seq))
        return self.dropout(self.LayerNorm(self.item_embedding(item_seq) + positions))


def position_ids(item_seq: torch.Tensor) -> torch.Tensor:
    """Return the position of each item in its row, from 0; int64, shape [B, L] like ``item_seq``."""
    return torch.arange(item_seq.size(1), device=item_seq.device).unsqueeze(0).expand_as(item_seq)


def encode_ends(
    encoder: TransformerEncoder, states: torch.Tensor, mask: torch.Tensor, lengths: torch.Tensor
) -> torch.Tensor:
    """Encode histories, and compute the last layer only at the last item of each.

    Earlier layers have to be whole, as every position attends to the others.

    Args:
        encoder: RecBole's encoder.
        states: Its input; shape [B, L, D].
        mask: Added to the attention scores; shape [B, 1, L, L], or [B, 1, 1, L] if each position attends to the same.
        lengths: Items of each history, at least 1; shape [B].

    Returns:
        The encoder's output at the ends; shape [B, D].
    """
    *earlier, last = encoder.layer
    for layer in earlier:
        states = layer(states, mask)
    context, own = _attend(last.multi_head_attention, states, mask, lengths.unsqueeze(1) - 1)
    return _finish(last, context[:, 0], own[:, 0])


def encode_places(
    encoder: TransformerEncoder,
    states: torch.Tensor,
    mask: torch.Tensor,
    places: torch.Tensor,
    read: torch.Tensor,
) -> torch.Tensor:
    """Encode histories, and compute the last layer only at some positions of each row.

    Args:
        encoder: RecBole's encoder.
        states: Its input; shape [B, L, D].
        mask: Added to the attention scores; shape [B, 1, L, L], or [B, 1, 1, L] if each position attends to the same.
        places: Positions of each row, with padding; shape [B, P].
        read: Mask of the K positions that are no padding; bool, shape [B, P].

    Returns:
        The encoder's output at the K positions, row by row; shape [K, D].
    """
    *earlier, last = encoder.layer
    for layer in earlier:
        states = layer(states, mask)
    context, own = _attend(last.multi_head_attention, states, mask, places)
    return _finish(last, context[read], own[read])


def _attend(
    attention: MultiHeadAttention, states: torch.Tensor, mask: torch.Tensor, places: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what some positions attend to, before the dense layer, and their own states; both of shape [B, P, D]."""
    rows = torch.arange(len(states), device=states.device).unsqueeze(1)
    own = states[rows, places]
    heads = (attention.num_attention_heads, attention.attention_head_size)
    queries = attention.query(own).unflatten(-1, heads).transpose(1, 2)
    keys = attention.key(states).unflatten(-1, heads).transpose(1, 2)
    values = attention.value(states).unflatten(-1, heads).transpose(1, 2)
    scores = queries @ keys.transpose(-1, -2) / attention.sqrt_attention_head_size
    seen = mask if mask.size(2) == 1 else mask[rows, 0, places].unsqueeze(1)
    weights = attention.attn_dropout(attention.softmax(scores + seen))
    return (weights @ values).transpose(1, 2).flatten(2), own


def _finish(layer: TransformerLayer, context: torch.Tensor, own: torch.Tensor) -> torch.Tensor:
    """Return a layer's output from what positions attend to and their own states; all of shape [..., D]."""
    attention = layer.multi_head_attention
    attended = attention.LayerNorm(attention.out_dropout(attention.dense(context)) + own)
    return layer.feed_forward(attended)
