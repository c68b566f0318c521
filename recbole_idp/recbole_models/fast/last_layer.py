"""Last layers of RecBole's Transformers, computed at the positions alone whose states a model reads."""

from contextlib import contextmanager
from functools import partial

import torch
from recbole.data.interaction import Interaction
from recbole.model.layers import TransformerEncoder


def take_short_last_layers(model):
    """Lets a Transformer of RecBole, in place, compute the last layer of its blocks only where its states are read.

    SASRec and FDSA read the state at the end of each history, and BERT4Rec those of the hidden items; RecBole computes
    all of them and then picks. Earlier layers have to be whole, as every position attends to the others. Other models
    stay as they are.

    Args:
        model (SequentialRecommender): One of RecBole's models.
    """
    if any(isinstance(module, TransformerEncoder) for module in model.modules()):
        short = _HiddenItems if hasattr(model, "multi_hot_embed") else _EndsOfHistories
        short(model)


class _ShortLastLayers:
    """Stands between a model and its last layers while positions are set."""

    def __init__(self, model):
        self.model, self.places, self.read = model, None, None
        for module in model.modules():
            if isinstance(module, TransformerEncoder):
                layer = module.layer[-1]
                layer.forward = partial(self._last_layer, layer, layer.forward)
        model.gather_indexes = partial(self._gather, model.gather_indexes)

    @contextmanager
    def reading(self, places, read=None):
        """Says which positions of each row are going to be read, shape [B, P], and which of these are no padding."""
        self.places, self.read = places, read
        try:
            yield
        finally:
            self.places = self.read = None

    def _last_layer(self, layer, whole, states, mask):
        return whole(states, mask) if self.places is None else states_at(self.places, layer, states, mask, self.read)

    def _gather(self, gather, states, ends):
        return gather(states, ends) if self.places is None else states[:, 0]


class _EndsOfHistories(_ShortLastLayers):
    def __init__(self, model):
        super().__init__(model)
        model.forward = partial(self._forward, model.forward)

    def _forward(self, forward, items, lengths):
        with self.reading(lengths.unsqueeze(1) - 1):
            return forward(items, lengths)


class _HiddenItems(_ShortLastLayers):
    def __init__(self, model):
        super().__init__(model)
        model.calculate_loss = partial(self._loss, model.calculate_loss)
        model.full_sort_predict = partial(self._predict, model.full_sort_predict)
        model.multi_hot_embed = _alone

    def _loss(self, loss, rows):
        # Rows differ in how many of their items are hidden, so that most of [B, P] is padding, and each of its places
        # would be compared with every item of the catalogue.
        places, model = rows[self.model.MASK_INDEX], self.model
        hidden = places > 0
        columns = dict(rows.interaction)
        for name in (model.MASK_INDEX, model.POS_ITEMS, model.NEG_ITEMS):
            columns[name] = columns[name][hidden].unsqueeze(1)
        with self.reading(places, hidden):
            return loss(Interaction(columns))

    def _predict(self, predict, rows):
        with self.reading(rows[self.model.ITEM_SEQ_LEN].unsqueeze(1) - 1):
            return predict(rows)


def _alone(places, length):
    """Picks the state of each hidden item, which is the only one that its row has left; shape [K, 1]."""
    return torch.ones(places.shape, device=places.device)


def states_at(places, layer, states, mask, read=None):
    """Computes a layer of a Transformer at some positions.

    Args:
        places (torch.LongTensor): Positions of each row; shape [B, P].
        layer (TransformerLayer): RecBole's layer.
        states (torch.Tensor): What goes into it; shape [B, L, D].
        mask (torch.Tensor): Added to the attention's scores; shape [B, 1, L, L], or [B, 1, 1, L] if each position
            attends to the same ones.
        read (torch.BoolTensor, optional): Which K of the positions are wanted; shape [B, P]. None: all of them.

    Returns:
        torch.Tensor: What the layer gives at the positions; shape [B, P, D], or [K, 1, D], row by row.
    """
    attention, rows = layer.multi_head_attention, torch.arange(len(states), device=states.device).unsqueeze(1)
    heads = (attention.num_attention_heads, attention.attention_head_size)
    own = states[rows, places]
    queries, keys, values = (
        make(part).unflatten(-1, heads).transpose(1, 2)
        for make, part in ((attention.query, own), (attention.key, states), (attention.value, states))
    )
    scores = queries @ keys.transpose(-1, -2) / attention.sqrt_attention_head_size
    seen = mask if mask.size(2) == 1 else mask[rows, 0, places].unsqueeze(1)
    weights = attention.attn_dropout(attention.softmax(scores + seen))
    context = (weights @ values).transpose(1, 2).flatten(2)
    if read is not None:
        context, own = context[read].unsqueeze(1), own[read].unsqueeze(1)
    attended = attention.LayerNorm(attention.out_dropout(attention.dense(context)) + own)
    return layer.feed_forward(attended)
