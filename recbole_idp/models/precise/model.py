"""PRECISE: pre-trained sequential recommendation from IDs and texts, universal, then targeted (arXiv 2412.06308)."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import torch

from recbole_idp.data.rows import Batch, PositionBatches, after_last
from recbole_idp.errors import UserError
from recbole_idp.models.base.encoded_items import EncodedItemsModel
from recbole_idp.models.base.sequence_model import ModelData, target_counts
from recbole_idp.models.base.serving import Serving
from recbole_idp.models.base.transferred import TRANSFORMER_KEYS, take_over, weights_of
from recbole_idp.models.precise.drawn_targets import DrawnTargets
from recbole_idp.models.precise.fusion import EmbeddingFusion
from recbole_idp.models.precise.keys import FusionSettings
from recbole_idp.models.precise.user_head import HeadedEncoder, UserHead, latest_events
from recbole_idp.models.precise.user_loss import contrast_loss
from recbole_idp.nn.encoder.keys import TransformerSettings
from recbole_idp.nn.encoder.transformer import TransformerEncoder
from recbole_idp.nn.in_batch import competition_loss

if TYPE_CHECKING:
    from collections.abc import Mapping

    from recbole.config import Config
    from recbole.data.interaction import Interaction
    from torch import nn

    from recbole_idp.data.sequences import Targets

_TRANSFERRED = ("encoder", "fusion")


class PreciseModel(EncodedItemsModel):
    """What both stages of PRECISE share: fused item vectors and a Transformer.

    item -> ID (+) pooled token vectors -> item vectors e
    item ids -> item vectors + positions -> Transformer blocks -> states

    Shapes: B batch, L length, D width, N items.

    Neither stage compares an item with others of the same history, so that their scores cannot be compared:
    items of the history get the lowest score (``exclude_history``).

    Built from a configuration alone its weights are random and its token vectors zero.
    :class:`~recbole_idp.models.precise.trainer.PreciseTrainer` loads those of the universal model, or the token vectors
    of the texts.

    Attributes:
        causal (bool): Whether a position attends to itself and earlier ones only.
        universal (bool): Whether it starts from the universal model.
        targeted (bool): Whether it is trained on the target task.
        encoder_keys: Keys that must be equal in both stages for the weights to fit.
        fusion (EmbeddingFusion): Makes item vectors.
    """

    encoder: TransformerEncoder
    target_shares: torch.Tensor | None

    causal, universal, targeted = True, True, True
    encoder_keys: tuple[str, ...] = (
        *TRANSFORMER_KEYS,
        "fusion",
        "semantic_size",
        "n_experts",
        "top_experts",
        "token_count",
        "token_width",
    )

    def __init__(self, config: Config, dataset: ModelData) -> None:
        lengths = config["targeted_length"], config["MAX_ITEM_LIST_LENGTH"]
        check_sizes(FusionSettings.of(config), config["hidden_size"], *lengths)
        super().__init__(config, dataset)
        del self.item_embedding
        settings = FusionSettings.of(config)
        self.fusion = EmbeddingFusion(settings, self.n_items, self.hidden_size, self.initializer_range)
        self.balance_weight = settings.balance_weight
        self.register_buffer("target_shares", None, persistent=False)

    def build_encoder(self, config: Config) -> TransformerEncoder:
        """Build the Transformer."""
        return TransformerEncoder(TransformerSettings.of(config), config["MAX_ITEM_LIST_LENGTH"], self.causal)

    def encode_items(self) -> torch.Tensor:
        """Compute the vector of every item; shape [N, D]."""
        return self.fusion.every_item()

    def start_from(self, state: Mapping[str, torch.Tensor], rows: torch.Tensor) -> None:
        """Load the weights of a universal model.

        Args:
            state: Weights of its ``encoder`` and ``fusion``.
            rows: The universal model's row of each of this model's items; int64, shape [N].

        Raises:
            UserError: The weights are of other sizes than this model's.
        """
        taken = {name: value[rows] if name in OF_ITEMS else value for name, value in state.items()}
        take_over(self, taken, _TRANSFERRED, self.encoder_keys, "the universal model")

    def calculate_loss(self, interaction: Interaction) -> torch.Tensor:
        """Compute the mean loss of rows with one target each, a hook of RecBole; scalar."""
        items = interaction[self.ITEM_SEQ]
        targets = after_last(items, interaction[self.ITEM_SEQ_LEN], interaction[self.POS_ITEM_ID])
        return self.position_loss(Batch(((items, targets),), len(items)))

    def _count_targets(self, dataset: ModelData) -> None:
        """Set ``target_shares`` to each item's share of the training targets; shape [N]."""
        counts = target_counts(dataset, self.n_items)
        self.target_shares = counts / counts.sum()

    def _negative_bias(self, candidates: torch.Tensor, n_targets: int) -> torch.Tensor:
        """Return the bias of the scores of negatives; shape [K]."""
        if self.target_shares is None:
            return torch.zeros(len(candidates), device=candidates.device)
        # The chance that the item is a target in a batch of so many.
        drawn = -torch.expm1(n_targets * torch.log1p(-self.target_shares[candidates].clamp(1e-9, 1 - 1e-6)))
        return -drawn.log()

    def _numbered(self, *parts: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, list[torch.Tensor]]:
        """Number the items of a batch, padding staying 0, and compute the vector of each once.

        Args:
            *parts: Items of any shape.

        Returns:
            The K distinct items, padding first, shape [K]; their vectors, shape [K, D]; and each part with the new
            numbers.
        """
        flat = torch.cat([parts[0].new_zeros(1), *(part.flatten() for part in parts)])
        items, places = flat.unique(return_inverse=True)
        places = places[1:].split([part.numel() for part in parts])
        numbered = [place.view(part.shape) for place, part in zip(places, parts, strict=True)]
        return items, self.fusion(items), numbered

    def _balance_loss(self, items: torch.Tensor) -> torch.Tensor | float:
        """Return the weighted load-balancing loss of the experts; scalar."""
        return self.balance_weight * self.fusion.balance_loss(items[1:]) if self.balance_weight else 0.0


class PRECISE_UT(PreciseModel):
    """PRECISE after universal training alone (arXiv 2412.06308, L_nip).

    item ids -> item vectors + positions -> causal Transformer -> last state . item vectors -> scores

    Each position predicts the next item against the next items of the batch's other sequences, each counted once; items
    of the sequence itself are no negatives. Plain dot products, neither normalised nor scaled, as in the paper.

    Attributes:
        target_shares: With ``popularity_correction``, which is not the paper's, each item's share
            of the training targets, which lowers the scores of frequent negatives; shape [N].
    """

    targeted = False

    def __init__(self, config: Config, dataset: ModelData) -> None:
        super().__init__(config, dataset)
        if config["popularity_correction"]:
            self._count_targets(dataset)

    def training_batches(self, targets: Targets, config: Config, generator: torch.Generator) -> PositionBatches:
        """Build rows with a target at every position; arguments as in :class:`SequenceModel`."""
        return PositionBatches(targets, config["MAX_ITEM_LIST_LENGTH"], config["train_batch_size"], generator)

    def position_loss(self, batch: Batch) -> torch.Tensor:
        """Compute the mean loss over all positions that have a target; arguments as in :class:`SequenceModel`."""
        ((items, targets),) = batch.parts
        numbers, vectors, (items, targets) = self._numbered(items, targets)
        with self.items_encoded_once(vectors):
            states = self.encode(items)
        rows, places = targets.nonzero(as_tuple=True)
        target_items = targets[rows, places]
        events, bias = torch.cat([items, targets], 1), self._negative_bias(numbers, len(target_items))
        loss = competition_loss(states[rows, places], rows, vectors, target_items, events, bias)
        return loss + self._balance_loss(numbers)


class PRECISE_TT(PreciseModel):
    """PRECISE's targeted training alone, from random weights and the texts' token vectors (arXiv 2412.06308, L_bpr).

    the latest n events -> item vectors + positions -> bidirectional Transformer -> concatenated states -> MLP -> one
    user vector h'; h' . item vectors -> scores

    Attributes:
        length (int): n, ``targeted_length``.
        head (UserHead): Concatenation and MLP.
        contrast (str): What the loss compares; the paper's fixes the item and compares users.
    """

    causal, universal = False, False
    encoder_kind = "PRECISE"

    def __init__(self, config: Config, dataset: ModelData) -> None:
        super().__init__(config, dataset)
        self.length, self.contrast = config["targeted_length"], config["targeted_contrast"]
        self.head = UserHead(self.length, self.hidden_size, config["head_size"], config["user_head"])
        if self.contrast == "softmax":
            self._count_targets(dataset)

    def serving(self) -> Serving:
        """Return the parts that compute scores: Transformer and head are one encoder."""
        return dataclasses.replace(super().serving(), encoder=HeadedEncoder(self.encoder, self.head))

    def training_batches(self, targets: Targets, config: Config, generator: torch.Generator) -> DrawnTargets:
        """Build rows of one target each; arguments as in :class:`SequenceModel`."""
        return DrawnTargets(targets, self.length, config["train_batch_size"], config["targeted_rows"], generator)

    def forward(self, item_seq: torch.Tensor, item_seq_len: torch.Tensor) -> torch.Tensor:
        """Compute user vectors.

        Args:
            item_seq: Padded with 0 on the right; int64, shape [B, L].
            item_seq_len: Shape [B].

        Returns:
            Shape [B, D].
        """
        items, lengths = latest_events(item_seq, item_seq_len, self.length)
        return self.head(self.encode(items), lengths)

    def position_loss(self, batch: Batch) -> torch.Tensor:
        """Compute the mean loss over the rows, each with one target after its last event.

        Args:
            batch: Items and targets of shape [B, L], and the user of each row.

        Returns:
            Scalar.
        """
        ((items, targets),) = batch.parts
        lengths = (items > 0).sum(1)
        target_items = targets.gather(1, lengths.unsqueeze(1) - 1).squeeze(1)
        numbers, vectors, (items, target_items) = self._numbered(items, target_items)
        with self.items_encoded_once(vectors):
            users = self.forward(items, lengths)
        rows = torch.arange(len(items), device=items.device)
        if self.contrast == "softmax":
            bias = self._negative_bias(numbers, len(target_items))
            loss = competition_loss(users, rows, vectors, target_items, items, bias)
        else:
            loss = contrast_loss(users, vectors[target_items], target_items, batch.row_users(), self.contrast)
        return loss + self._balance_loss(numbers)


class PRECISE(PRECISE_TT):
    """PRECISE, both stages: targeted training from the universal model (arXiv 2412.06308); see :class:`PRECISE_TT`."""

    universal = True


OF_ITEMS = ("fusion.ids", "fusion.tokens", "fusion.present")
"""Names of the weights that have a row for each item."""


def transferable(model: nn.Module) -> dict[str, torch.Tensor]:
    """Return the weights that universal training transfers: those of Transformer and fusion, by their names."""
    return weights_of(model, *_TRANSFERRED)


def check_sizes(settings: FusionSettings, hidden_size: int, targeted_length: int, max_length: int) -> None:
    """Check sizes that must fit each other.

    Args:
        settings: Sizes of the item fusion.
        hidden_size: Width of item vectors.
        targeted_length: Events that the user vector is made of.
        max_length: Events of a sequence at most.

    Raises:
        UserError: They do not.
    """
    lengths = {"targeted_length": targeted_length, "MAX_ITEM_LIST_LENGTH": max_length}
    sizes = {**settings.model_dump(), "hidden_size": hidden_size, **lengths}
    for small, large in (
        ("semantic_size", "hidden_size"),
        ("targeted_length", "MAX_ITEM_LIST_LENGTH"),
        ("top_experts", "n_experts"),
    ):
        if sizes[small] > sizes[large]:
            raise UserError(f"{small} {sizes[small]} is more than {large} {sizes[large]}: lower it, or raise {large}")
    if settings.semantic_size == hidden_size and settings.fusion not in ("id_only", "text_only"):
        raise UserError(
            f"semantic_size {settings.semantic_size} leaves no room for the ID in hidden_size: lower it, or "
            "--fusion=text_only"
        )
