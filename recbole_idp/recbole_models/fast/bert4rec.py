"""RecBole's BERT4Rec, faster."""

import torch
from recbole.data.interaction import Interaction
from recbole.model.sequential_recommender.bert4rec import BERT4Rec
from torch import nn

from recbole_idp.nn.softmax import softmax_loss
from recbole_idp.recbole_models.fast.transformer import FastTransformerModel, encode_ends, encode_places


class FastBERT4Rec(FastTransformerModel, BERT4Rec):
    """Masked items predicted from both sides (arXiv 1904.06690), with RecBole's parameters and scores.

    item ids, some masked, + positions -> Transformer -> output layer -> states at masked items . item vectors -> scores

    The last layer and the output layer are computed at the masked items only; where items are ranked, that is the mask
    after the history. Shapes: B batch, L length, M masked items of a row at most, K masked items of all rows, D width,
    N items.

    Args:
        config: RecBole's configuration.
        dataset: RecBole's dataset.
    """

    def calculate_loss(self, interaction: Interaction) -> torch.Tensor:
        """Return the mean loss over the masked items; a scalar.

        Rows differ in how many of their items are masked. Most of [B, M] is padding, which is removed before each of
        its places would be compared with every item.
        """
        item_seq, places = interaction[self.MASK_ITEM_SEQ], interaction[self.MASK_INDEX]
        masked = places > 0
        states, mask = self._embed(item_seq)
        states = self._output(encode_places(self.trm_encoder, states, mask, places, masked))
        positives = interaction[self.POS_ITEMS][masked]
        if self.loss_type == "BPR":
            negatives = interaction[self.NEG_ITEMS][masked]
            margins = self._scores(states, positives) - self._scores(states, negatives)
            return -torch.log(1e-14 + torch.sigmoid(margins)).mean()
        mean = softmax_loss(states, self._item_vectors(), positives, self.output_bias)
        # RecBole adds up the losses and divides: the same number, and the same rounding.
        return mean.expand(len(positives)).sum() / len(positives)

    def full_sort_predict(self, interaction: Interaction) -> torch.Tensor:
        """Return the scores of all items after each history; shape [B, N]."""
        lengths = interaction[self.ITEM_SEQ_LEN]
        states, mask = self._embed(self.reconstruct_test_data(interaction[self.ITEM_SEQ], lengths))
        states = self._output(encode_ends(self.trm_encoder, states, mask, lengths))
        return states @ self._item_vectors().T + self.output_bias

    def reconstruct_test_data(self, item_seq: torch.Tensor, item_seq_len: torch.Tensor) -> torch.Tensor:
        """Put the mask after each history, in place of its oldest item.

        Args:
            item_seq: Histories, padded with 0 on the right; shape [B, L].
            item_seq_len: Their lengths; shape [B].

        Returns:
            Shape [B, L].
        """
        longer = nn.functional.pad(item_seq, (0, 1))
        return longer.scatter_(1, item_seq_len.unsqueeze(1), self.mask_token)[:, 1:]

    def _embed(self, item_seq: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the encoder's input, shape [B, L, D], and its attention mask, shape [B, 1, 1, L]."""
        return self.embed_positions(item_seq), self.get_attention_mask(item_seq, bidirectional=True)

    def _output(self, states: torch.Tensor) -> torch.Tensor:
        """Return the output layer's states; shape as given."""
        return self.output_ln(self.output_gelu(self.output_ffn(states)))

    def _item_vectors(self) -> torch.Tensor:
        """Return the vectors of all items, without the mask's; shape [N, D]."""
        return self.item_embedding.weight[: self.n_items]

    def _scores(self, states: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
        """Return the score of one item for each state; shape [K]."""
        return torch.sum(states * self.item_embedding(items), dim=-1) + self.output_bias[items]
