"""What all models of the package share: item vectors, a sequence encoder, scores by dot product."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import torch
from recbole.model.abstract_recommender import SequentialRecommender
from recbole.utils import InputType
from torch import nn

from recbole_idp.data.rows import PositionBatches, PrefixBatches
from recbole_idp.models.base.serving import ItemParts, Serving
from recbole_idp.nn.encoder.keys import EncoderSettings
from recbole_idp.nn.encoder.kinds import sequence_encoder
from recbole_idp.nn.history import without_history
from recbole_idp.nn.initial import OwnWeights
from recbole_idp.nn.lookup import lookup
from recbole_idp.nn.loss import build_loss

if TYPE_CHECKING:
    from recbole.config import Config
    from recbole.data.interaction import Interaction

    from recbole_idp.content.trainable.memory import StepMemory
    from recbole_idp.data.dataset import SequenceDataset
    from recbole_idp.data.rows import Batch, Batches
    from recbole_idp.data.sequences import Targets

ROWS: dict[str, type[PositionBatches] | type[PrefixBatches]] = {"position": PositionBatches, "prefix": PrefixBatches}
"""The classes of training rows by the key ``training_rows``."""


class ModelData(Protocol):
    """The part of a dataset that every model reads."""

    @property
    def n_inputs(self) -> int:
        """The number of items that stand in histories: the candidates, padding included, and history items."""

    def num(self, field: str) -> int:
        """Return the number of different values of a field, padding included."""

    def targets(self) -> Targets:
        """Return what is to be predicted."""


class SequenceModel(SequentialRecommender):
    """A next-item model: item ids -> item vectors -> sequence encoder -> last state . item vectors -> scores.

    Shapes: B batch, L length, D width, N items, T positions that have a target; I inputs, which are the items and,
    where users are joined with other domains, the items of these.

    A RecBole model like any other; :class:`~recbole_idp.train.trainer.SequenceTrainer` calls :meth:`position_loss`
    instead of :meth:`calculate_loss`, which lets one pass over a user's events train every position.

    Args:
        config: RecBole's configuration.
        dataset: Provides the number of items, ``num(ITEM_ID_FIELD)``, and what to predict, ``targets()``.

    Attributes:
        extends: The model whose default settings a subclass from another package inherits.
        serves: Whether the model supports :meth:`serving`.
        encoder_kind: Kind of the sequence encoder; see :class:`~recbole_idp.models.base.serving.Serving`.
        exclude_history (bool): Whether items of the history get the lowest score.
    """

    extends: str = "PositionSASRec"
    serves: bool = True
    encoder_kind: str | None = "SASRec"
    input_type = InputType.POINTWISE

    def __init__(self, config: Config, dataset: ModelData) -> None:
        super().__init__(config, dataset)
        self.hidden_size = config["hidden_size"]
        self.initializer_range = config["initializer_range"]
        self.exclude_history = config["exclude_history"]
        self.n_inputs = dataset.n_inputs
        self.item_embedding = nn.Embedding(self.n_inputs, self.hidden_size, padding_idx=0)
        self.encoder = self.build_encoder(config)
        self.loss = build_loss(
            config["loss_type"],
            config["train_negatives"] or 0,
            target_counts(dataset, self.n_items),
            config["negative_smoothing"],
            config["gbce_t"],
        )
        self.apply(self._initialise)
        with torch.no_grad():
            self.item_embedding.weight[0] = 0

    def build_encoder(self, config: Config) -> nn.Module:
        """Build the sequence encoder, the one that the key ``encoder`` names.

        A subclass may return another encoder with the same interface; it then sets ``encoder_kind``.
        """
        settings = EncoderSettings.of(config)
        self.encoder_kind = settings.encoder
        return sequence_encoder(settings, config["MAX_ITEM_LIST_LENGTH"])

    def serving(self) -> Serving:
        """Return the parts that compute scores without this class.

        A subclass that computes scores differently returns ``dataclasses.replace(super().serving(), ...)``.

        Returns:
            The parts, with the current weights.
        """
        return Serving(
            item_vectors=self.item_vectors(),
            candidate_vectors=self.candidate_vectors(),
            item_bias=self.item_bias(),
            encoder=self.encoder,
            encoder_kind=self.encoder_kind,
            excludes_history=self.exclude_history,
        )

    def content_parts(self, config: Config, dataset: SequenceDataset) -> ItemParts | None:
        """Return what makes an item's vector from its content; None: the items are not their contents alone.

        Args:
            config: The configuration that the model was made with.
            dataset: The target.
        """
        return None

    def _initialise(self, module: nn.Module) -> None:
        if isinstance(module, (nn.Linear, nn.Embedding)):
            nn.init.normal_(module.weight, std=self.initializer_range)
        elif isinstance(module, nn.LayerNorm):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)
        if isinstance(module, OwnWeights):
            module.draw_weights()

    def item_vectors(self) -> torch.Tensor:
        """Return the vector of every input; shape [I, D]."""
        return self.item_embedding.weight

    def candidate_vectors(self) -> torch.Tensor:
        """Return the vector of every item as candidate, by default the same as at the input; shape [N, D]."""
        return self.item_vectors()[: self.n_items]

    def item_bias(self) -> torch.Tensor | None:
        """Return the bias added to the score of every item; shape [N]. None: no bias."""
        return None

    def training_batches(self, targets: Targets, config: Config, generator: torch.Generator) -> Batches:
        """Build the batches of one pass over the training data.

        Args:
            targets: What to predict.
            config: RecBole's configuration.
            generator: Source of all random draws.

        Returns:
            Batches, drawn again on each iteration; their ``len`` is approximate.
        """
        rows = ROWS[config["training_rows"]]
        return rows(targets, config["MAX_ITEM_LIST_LENGTH"], config["train_batch_size"], generator)

    def step_memory(self, batch_size: int) -> StepMemory | None:
        """Return the sizes that decide on the memory of a step that trains a content encoder; None: not known.

        Args:
            batch_size: Targets of a batch.
        """
        return None

    def encode(self, items: torch.Tensor) -> torch.Tensor:
        """Encode sequences.

        Args:
            items: Padded with 0 on the right; int64, shape [B, L].

        Returns:
            The state at each position; shape [B, L, D].
        """
        return self.encoder(lookup(self.item_vectors(), items), items == 0)

    def position_loss(self, batch: Batch) -> torch.Tensor:
        """Compute the mean loss over all positions that have a target.

        Args:
            batch: Parts of items and targets of shape [B, L].

        Returns:
            Scalar.
        """
        states, targets = [], []
        for items, target_items in batch.parts:
            target_items, encoded = target_items.flatten(), self.encode(items).flatten(0, 1)
            where = target_items.nonzero().squeeze(1)
            # Rows of one length have a target everywhere: nothing to pick out, and nothing to copy.
            whole = len(where) == len(target_items)
            states.append(encoded if whole else encoded[where])
            targets.append(target_items if whole else target_items[where])
        if len(states) > 1:
            states, targets = [torch.cat(states)], [torch.cat(targets)]
        return self.loss(states[0], targets[0], self.candidate_vectors(), self.item_bias())

    def forward(self, item_seq: torch.Tensor, item_seq_len: torch.Tensor) -> torch.Tensor:
        """Encode histories.

        Args:
            item_seq: Shape [B, L].
            item_seq_len: Shape [B].

        Returns:
            The state after the last event; shape [B, D].
        """
        return self.gather_indexes(self.encode(item_seq), item_seq_len - 1)

    def calculate_loss(self, interaction: Interaction) -> torch.Tensor:
        """Compute the mean loss of rows with one target each, a hook of RecBole; scalar."""
        states = self.forward(interaction[self.ITEM_SEQ], interaction[self.ITEM_SEQ_LEN])
        return self.loss(states, interaction[self.POS_ITEM_ID], self.candidate_vectors(), self.item_bias())

    def predict(self, interaction: Interaction) -> torch.Tensor:
        """Compute the score of one item for each row, a hook of RecBole; shape [B]."""
        states = self.forward(interaction[self.ITEM_SEQ], interaction[self.ITEM_SEQ_LEN])
        items, bias = interaction[self.ITEM_ID], self.item_bias()
        scores = (states * lookup(self.candidate_vectors(), items)).sum(-1)
        if bias is not None:
            scores = scores + bias[items]
        if self.exclude_history:
            scores = scores.masked_fill((interaction[self.ITEM_SEQ] == items.unsqueeze(1)).any(1), float("-inf"))
        return scores

    def full_sort_predict(self, interaction: Interaction) -> torch.Tensor:
        """Compute the scores of all items for each row, a hook of RecBole; shape [B, N]."""
        states = self.forward(interaction[self.ITEM_SEQ], interaction[self.ITEM_SEQ_LEN])
        scores, bias = states @ self.candidate_vectors().t(), self.item_bias()
        if bias is not None:
            scores.add_(bias)
        return without_history(scores, interaction[self.ITEM_SEQ]) if self.exclude_history else scores


def target_counts(dataset: ModelData, n_items: int) -> torch.Tensor:
    """Count how often each item is a training target; shape [N]."""
    return torch.bincount(dataset.targets().items, minlength=n_items).float()
