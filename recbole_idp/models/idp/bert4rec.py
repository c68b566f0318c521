"""IDP on BERT4Rec, which predicts masked items from the items on both sides."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, cast

import torch
from torch import nn

from recbole_idp.data.masked_rows import MaskedBatches, append_event
from recbole_idp.models.base.serving import Serving
from recbole_idp.models.base.transferred import TRANSFORMER_KEYS
from recbole_idp.models.idp.model import IDP
from recbole_idp.nn.encoder.bert4rec import BERT4RecEncoder
from recbole_idp.nn.encoder.keys import TransformerSettings
from recbole_idp.nn.lookup import lookup

if TYPE_CHECKING:
    from recbole.config import Config

    from recbole_idp.data.rows import PositionBatches, PrefixBatches
    from recbole_idp.data.sequences import Targets
    from recbole_idp.models.base.sequence_model import ModelData


class IDP_BERT4Rec(IDP):
    """IDP^{BERT4Rec}: IDP whose base model is BERT4Rec.

    item ids and mask token -> E^T, mask vector + positions -> BERT4Rec blocks -> its state . E^T + bias -> scores

    With the same weights and history it gives the scores of RecBole's BERT4Rec, with one exception: RecBole drops the
    oldest item of every history to make room for the mask token; here it is dropped only where the history fills the
    row.

    Attributes:
        mask_token (int): The item number of the mask token: N.
        output_bias (nn.Parameter): Added to the score of each item; shape [N]. A new domain starts with zeros.
    """

    encoder_kind = "BERT4Rec"
    encoder_keys = TRANSFORMER_KEYS

    def __init__(self, config: Config, dataset: ModelData) -> None:
        super().__init__(config, dataset)
        self.max_length, self.mask_token = config["MAX_ITEM_LIST_LENGTH"], self.n_items
        self.output_bias = nn.Parameter(torch.zeros(self.n_items))

    def build_encoder(self, config: Config) -> BERT4RecEncoder:
        """Build the bidirectional encoder."""
        return BERT4RecEncoder(TransformerSettings.of(config), config["MAX_ITEM_LIST_LENGTH"])

    def serving(self) -> Serving:
        """Return the parts that compute scores, from the state of a mask token."""
        return dataclasses.replace(super().serving(), hidden_event=True)

    def item_bias(self) -> torch.Tensor:
        """Return the bias added to the score of every item; shape [N]."""
        return self.output_bias

    def training_batches(self, targets: Targets, config: Config, generator: torch.Generator) -> MaskedBatches:
        """Build rows in which some items are masked; arguments and result as in :class:`SequenceModel`."""
        rows = cast("PositionBatches | PrefixBatches", super().training_batches(targets, config, generator))
        cut = config["training_rows"] == "position"
        ratios = config["mask_ratio"], config["ft_ratio"]
        return MaskedBatches(rows, cut, self.mask_token, *ratios, self.max_length, generator)

    def encode(self, items: torch.Tensor) -> torch.Tensor:
        """Encode sequences.

        Args:
            items: Padded with 0 on the right, ``mask_token`` for masked items; int64, shape [B, L].

        Returns:
            The state at each position; shape [B, L, D].
        """
        hidden = items == self.mask_token
        vectors = lookup(self.item_vectors(), items.masked_fill(hidden, 0))
        return self.encoder(vectors, items == 0, hidden)

    def forward(self, item_seq: torch.Tensor, item_seq_len: torch.Tensor) -> torch.Tensor:
        """Encode histories.

        Args:
            item_seq: Shape [B, L].
            item_seq_len: Shape [B].

        Returns:
            The state of a mask token after the last item; shape [B, D].
        """
        rows, lengths = append_event(item_seq, item_seq_len, self.mask_token, self.max_length)
        return self.gather_indexes(self.encode(rows), lengths - 1)
