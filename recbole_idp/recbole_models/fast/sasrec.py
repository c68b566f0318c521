"""RecBole's SASRec, faster."""

import torch
from recbole.data.interaction import Interaction
from recbole.model.sequential_recommender.sasrec import SASRec

from recbole_idp.recbole_models.fast.loss import next_item_loss
from recbole_idp.recbole_models.fast.transformer import FastTransformerModel, encode_ends


class FastSASRec(FastTransformerModel, SASRec):
    """Self-attentive sequential recommendation (arXiv 1808.09781), with RecBole's parameters and scores.

    item ids + positions -> Transformer -> state at the end of the history . item vectors -> scores

    The last layer is computed at the ends of the histories only. Shapes: B batch, L length, D width.

    Args:
        config: RecBole's configuration.
        dataset: RecBole's dataset.
    """

    def forward(self, item_seq: torch.Tensor, item_seq_len: torch.Tensor) -> torch.Tensor:
        """Return the state at the end of each history.

        Args:
            item_seq: Histories, padded with 0 on the right; shape [B, L].
            item_seq_len: Their lengths; shape [B].

        Returns:
            Shape [B, D].
        """
        states = self.embed_positions(item_seq)
        return encode_ends(self.trm_encoder, states, self.get_attention_mask(item_seq), item_seq_len)

    def calculate_loss(self, interaction: Interaction) -> torch.Tensor:
        """Return the mean loss over the rows; a scalar."""
        states = self.forward(interaction[self.ITEM_SEQ], interaction[self.ITEM_SEQ_LEN])
        return next_item_loss(self, states, interaction)
