"""RecBole's FDSA, faster."""

from typing import NamedTuple

import torch
from recbole.config import Config
from recbole.data.dataset import Dataset
from recbole.data.interaction import Interaction
from recbole.model.sequential_recommender.fdsa import FDSA

from recbole_idp.nn.dropout import Dropout
from recbole_idp.recbole_models.fast.loss import TrimmedModel, next_item_loss
from recbole_idp.recbole_models.fast.transformer import encode_ends, position_ids, use_fast_layers
from recbole_idp.recbole_models.trimmed import TrimmedRows


class ItemFeatures(NamedTuple):
    """Embedded features of some items, each item once.

    Attributes:
        items: The U items, in ascending order; shape [U].
        vectors: Their F embedded features; shape [U, F, D].
    """

    items: torch.Tensor
    vectors: torch.Tensor

    def at(self, item_seq: torch.Tensor) -> torch.Tensor:
        """Return the features of the items of histories; shape [B, L, F, D] for [B, L] items."""
        return self.vectors[torch.searchsorted(self.items, item_seq.contiguous())]


class FastFDSA(TrimmedModel, FDSA):
    """Feature-level deeper self-attention (IJCAI 2019), with RecBole's parameters and scores.

    item ids      + positions -> Transformer -> state at the end of the history -.
    item features + positions -> Transformer -> state at the end of the history --> dense layer . item vectors -> scores

    An item has many words and stands at many places of a batch: its features are embedded once. The last layers are
    computed at the ends of the histories only. Shapes: B batch, L length, D width.

    Args:
        config: RecBole's configuration.
        dataset: RecBole's dataset.
    """

    def __init__(self, config: Config, dataset: Dataset) -> None:
        super().__init__(config, dataset)
        self.dropout = Dropout(self.hidden_dropout_prob)
        for encoder in (self.item_trm_encoder, self.feature_trm_encoder):
            use_fast_layers(encoder, self.hidden_dropout_prob, self.attn_dropout_prob, self.hidden_act)

    def embed_features(self, items: torch.Tensor) -> ItemFeatures:
        """Embed the features of items.

        Args:
            items: Items, which may repeat; any shape.

        Returns:
            The features of each different item.
        """
        items = items.unique()
        sparse, dense = self.feature_embed_layer(None, items.unsqueeze(1))
        parts = [part for part in (sparse["item"], dense["item"]) if part is not None]
        return ItemFeatures(items, torch.cat(parts, dim=-2).squeeze(1))

    def encode(self, item_seq: torch.Tensor, item_seq_len: torch.Tensor, features: ItemFeatures) -> torch.Tensor:
        """Return the state at the end of each history.

        Args:
            item_seq: Histories, padded with 0 on the right; shape [B, L].
            item_seq_len: Their lengths; shape [B].
            features: Of the items of the histories, padding included.

        Returns:
            Shape [B, D].
        """
        positions = self.position_embedding(position_ids(item_seq))
        item_states = self.dropout(self.LayerNorm(self.item_embedding(item_seq) + positions))
        feature_states, _ = self.feature_att_layer(features.at(item_seq))
        feature_states = self.dropout(self.LayerNorm(feature_states + positions))
        mask = self.get_attention_mask(item_seq)
        item_ends = encode_ends(self.item_trm_encoder, item_states, mask, item_seq_len)
        feature_ends = encode_ends(self.feature_trm_encoder, feature_states, mask, item_seq_len)
        both = self.concat_layer(torch.cat((item_ends, feature_ends), -1))
        return self.dropout(self.LayerNorm(both))

    def forward(self, item_seq: torch.Tensor, item_seq_len: torch.Tensor) -> torch.Tensor:
        """Return the state at the end of each history; arguments and result as of :meth:`encode`."""
        return self.encode(item_seq, item_seq_len, self.embed_features(item_seq))

    def calculate_loss(self, interaction: Interaction) -> torch.Tensor:
        """Return the mean loss over the rows; a scalar."""
        return self._loss(interaction, self.embed_features(interaction[self.ITEM_SEQ]))

    def batch_loss(self, batch: TrimmedRows) -> torch.Tensor:
        """Return the mean loss over the rows of a batch, with features embedded once for all its parts; a scalar."""
        items = torch.cat([part[self.ITEM_SEQ].flatten() for part in batch.parts])
        features = self.embed_features(items)
        return batch.mean(self._loss(part, features) for part in batch.parts)

    def _loss(self, rows: Interaction, features: ItemFeatures) -> torch.Tensor:
        """Return the mean loss over some rows; a scalar."""
        states = self.encode(rows[self.ITEM_SEQ], rows[self.ITEM_SEQ_LEN], features)
        return next_item_loss(self, states, rows)
