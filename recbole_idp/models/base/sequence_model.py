"""What all models of the package share: item vectors, a sequence encoder, scores by dot product."""

import torch
from recbole.model.abstract_recommender import SequentialRecommender
from recbole.utils import InputType
from torch import nn

from recbole_idp.data.rows import PositionBatches, PrefixBatches
from recbole_idp.models.base.serving import Serving
from recbole_idp.nn.encoder.transformer import TransformerEncoder
from recbole_idp.nn.history import without_history
from recbole_idp.nn.lookup import lookup
from recbole_idp.nn.loss import build_loss

ROWS = {"position": PositionBatches, "prefix": PrefixBatches}
"""The classes of training rows by the key ``training_rows``."""


class SequenceModel(SequentialRecommender):
    """A next-item model: item ids -> item vectors -> sequence encoder -> last state . item vectors -> scores.

    Shapes: B batch, L length, D width, N items, T positions that have a target.

    A RecBole model like any other; :class:`~recbole_idp.train.trainer.SequenceTrainer` calls :meth:`position_loss`
    instead of :meth:`calculate_loss`, which lets one pass over a user's events train every position.

    Args:
        config (Config): RecBole's configuration.
        dataset (SequenceDataset): Gives the number of items by ``num(ITEM_ID_FIELD)``, and what is to be predicted by
            ``targets()``.

    Attributes:
        extends (str): The model whose defaults a subclass of another package has, unless it says otherwise.
        serves (bool): Whether it has :meth:`serving`.
        encoder_kind (str | None): Kind of the sequence encoder, as of
            :class:`~recbole_idp.models.base.serving.Serving`.
        exclude_history (bool): Whether items of the history get the lowest score.
    """

    extends = "PositionSASRec"
    serves = True
    encoder_kind = "SASRec"
    input_type = InputType.POINTWISE

    def __init__(self, config, dataset):
        super().__init__(config, dataset)
        self.hidden_size = config["hidden_size"]
        self.initializer_range = config["initializer_range"]
        self.exclude_history = config["exclude_history"]
        self.item_embedding = nn.Embedding(self.n_items, self.hidden_size, padding_idx=0)
        self.encoder = self.build_encoder(config)
        self.loss = build_loss(
            config["loss_type"],
            config["train_negatives"] or 0,
            target_counts(dataset, self.n_items),
            config["negative_smoothing"],
        )
        self.apply(self._initialise)
        with torch.no_grad():
            self.item_embedding.weight[0] = 0

    def build_encoder(self, config):
        """Make the sequence encoder.

        A subclass may choose another one with the same interface, and names its ``encoder_kind``.
        """
        return TransformerEncoder(config, causal=True)

    def serving(self) -> Serving:
        """Return what is needed to answer without this class.

        A subclass whose scores are made otherwise says so by ``dataclasses.replace(super().serving(), ...)``.

        Returns:
            Serving: Of the weights as they are now.
        """
        return Serving(
            item_vectors=self.item_vectors(),
            candidate_vectors=self.candidate_vectors(),
            item_bias=self.item_bias(),
            encoder=self.encoder,
            encoder_kind=self.encoder_kind,
            excludes_history=self.exclude_history,
        )

    def _initialise(self, module):
        if isinstance(module, (nn.Linear, nn.Embedding)):
            nn.init.normal_(module.weight, std=self.initializer_range)
        elif isinstance(module, nn.LayerNorm):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)

    def item_vectors(self):
        """Return the vector of every item, as input and as candidate; shape [N, D]."""
        return self.item_embedding.weight

    def candidate_vectors(self):
        """Return the vector of every item as candidate, where that is another than as input; shape [N, D]."""
        return self.item_vectors()

    def item_bias(self):
        """Return what is added to the score of every item, shape [N]; None: nothing."""
        return None

    def training_batches(self, targets, config, generator):
        """Make what one pass over the training data reads.

        Args:
            targets (Targets): What to predict.
            config (Config): RecBole's configuration.
            generator (torch.Generator): The source of all that is drawn.

        Returns:
            Iterable[Batch]: Drawn anew each time; its length is about the number of batches.
        """
        rows = ROWS[config["training_rows"]]
        return rows(targets, config["MAX_ITEM_LIST_LENGTH"], config["train_batch_size"], generator)

    def encode(self, items):
        """Encode sequences.

        Args:
            items (torch.LongTensor): Padded with 0 on the right; shape [B, L].

        Returns:
            torch.Tensor: The state at each position; shape [B, L, D].
        """
        return self.encoder(lookup(self.item_vectors(), items), items == 0)

    def position_loss(self, batch):
        """Compute the mean loss over all positions that have a target.

        Args:
            batch (Batch): Parts of items and targets of shape [B, L].

        Returns:
            torch.Tensor: Scalar.
        """
        states, targets = [], []
        for items, wanted in batch.parts:
            wanted, encoded = wanted.flatten(), self.encode(items).flatten(0, 1)
            where = wanted.nonzero().squeeze(1)
            # Rows of one length have a target everywhere: nothing to pick out, and nothing to copy.
            whole = len(where) == len(wanted)
            states.append(encoded if whole else encoded[where])
            targets.append(wanted if whole else wanted[where])
        if len(states) > 1:
            states, targets = [torch.cat(states)], [torch.cat(targets)]
        return self.loss(states[0], targets[0], self.candidate_vectors(), self.item_bias())

    def forward(self, item_seq, item_seq_len):
        """Encode histories.

        Args:
            item_seq (torch.LongTensor): Shape [B, L].
            item_seq_len (torch.LongTensor): Shape [B].

        Returns:
            torch.Tensor: The state after the last event; shape [B, D].
        """
        return self.gather_indexes(self.encode(item_seq), item_seq_len - 1)

    def calculate_loss(self, interaction):
        """RecBole's hook: the mean loss of rows with one target each."""
        states = self.forward(interaction[self.ITEM_SEQ], interaction[self.ITEM_SEQ_LEN])
        return self.loss(states, interaction[self.POS_ITEM_ID], self.candidate_vectors(), self.item_bias())

    def predict(self, interaction):
        """RecBole's hook: the score of one item for each row; shape [B]."""
        states = self.forward(interaction[self.ITEM_SEQ], interaction[self.ITEM_SEQ_LEN])
        items, bias = interaction[self.ITEM_ID], self.item_bias()
        scores = (states * lookup(self.candidate_vectors(), items)).sum(-1)
        if bias is not None:
            scores = scores + bias[items]
        if self.exclude_history:
            scores = scores.masked_fill((interaction[self.ITEM_SEQ] == items.unsqueeze(1)).any(1), float("-inf"))
        return scores

    def full_sort_predict(self, interaction):
        """RecBole's hook: the scores of all items for each row; shape [B, N]."""
        states = self.forward(interaction[self.ITEM_SEQ], interaction[self.ITEM_SEQ_LEN])
        scores, bias = states @ self.candidate_vectors().t(), self.item_bias()
        if bias is not None:
            scores.add_(bias)
        return without_history(scores, interaction[self.ITEM_SEQ]) if self.exclude_history else scores


def target_counts(dataset, n_items):
    """Count how often each item is a training target; shape [N]."""
    return torch.bincount(dataset.targets().items, minlength=n_items).float()
