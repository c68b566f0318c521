"""IDP on BERT4Rec, which tells hidden events from those on either side."""

import dataclasses

import torch
from torch import nn

from recbole_idp.data.masked_rows import MaskedBatches, append_event
from recbole_idp.models.base.serving import Serving
from recbole_idp.models.idp.model import IDP
from recbole_idp.nn.encoder.bert4rec import BERT4RecEncoder
from recbole_idp.nn.lookup import lookup


class IDP_BERT4Rec(IDP):
    """IDP^{BERT4Rec}: IDP whose base model is BERT4Rec.

    item ids and a hidden event -> E^T, mask vector + positions -> BERT4Rec blocks -> its state . E^T + bias -> scores

    With the same weights and history it gives the scores of RecBole's BERT4Rec, with one exception: RecBole forgets the
    oldest event of every history to make room for the hidden one, here it goes only where the history fills the row.

    Attributes:
        mask_token (int): The item number that stands for a hidden event: N.
        output_bias (nn.Parameter): Added to the score of each item; shape [N]. A new domain starts with its own zeros.
    """

    encoder_kind = "BERT4Rec"

    def __init__(self, config, dataset):
        super().__init__(config, dataset)
        self.max_length, self.mask_token = config["MAX_ITEM_LIST_LENGTH"], self.n_items
        self.output_bias = nn.Parameter(torch.zeros(self.n_items))

    def build_encoder(self, config):
        """Makes the bidirectional encoder."""
        return BERT4RecEncoder(config)

    def serving(self) -> Serving:
        """Return what is needed to answer: by the state of a hidden event."""
        return dataclasses.replace(super().serving(), hidden_event=True)

    def item_bias(self):
        """Returns what is added to the score of every item; shape [N]."""
        return self.output_bias

    def training_batches(self, targets, config, generator):
        """Makes rows of events of which some are hidden; arguments and result as in :class:`SequenceModel`."""
        rows = super().training_batches(targets, config, generator)
        cut = config["training_rows"] == "position"
        ratios = config["mask_ratio"], config["ft_ratio"]
        return MaskedBatches(rows, cut, self.mask_token, *ratios, self.max_length, generator)

    def encode(self, items):
        """Encodes sequences.

        Args:
            items (torch.LongTensor): Padded with 0 on the right, ``mask_token`` for hidden events; shape [B, L].

        Returns:
            torch.Tensor: The state at each position; shape [B, L, D].
        """
        hidden = items == self.mask_token
        vectors = lookup(self.item_vectors(), items.masked_fill(hidden, 0))
        return self.encoder(vectors, items == 0, hidden)

    def forward(self, item_seq, item_seq_len):
        """Encodes histories.

        Args:
            item_seq (torch.LongTensor): Shape [B, L].
            item_seq_len (torch.LongTensor): Shape [B].

        Returns:
            torch.Tensor: The state of a hidden event after the last one; shape [B, D].
        """
        rows, lengths = append_event(item_seq, item_seq_len, self.mask_token, self.max_length)
        return self.gather_indexes(self.encode(rows), lengths - 1)
