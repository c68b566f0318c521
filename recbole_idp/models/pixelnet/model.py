"""PixelNet: recommendation from the pixels of items' pictures (arXiv 2309.06789)."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
from torch import nn

from recbole_idp.content.trainable.keys import TrainedEncoderSettings
from recbole_idp.models.base.serving import PatchParts, linear_layers
from recbole_idp.models.morec.model import MoRec
from recbole_idp.nn.encoder.keys import TransformerSettings
from recbole_idp.nn.encoder.latest import LatestPositionEncoder
from recbole_idp.nn.loss import PairwiseLoss

if TYPE_CHECKING:
    from recbole.config import Config

    from recbole_idp.content.image.trainable import TrainableImages
    from recbole_idp.content.trainable.interface import TrainableContent
    from recbole_idp.data.dataset import SequenceDataset
    from recbole_idp.data.rows import Batch
    from recbole_idp.models.base.sequence_model import ModelData
    from recbole_idp.models.morec.contents import ItemContents


class PixelNet(MoRec):
    """PixelNet-SASRec (MOSASRec): pictures in SASRec, end to end (arXiv 2309.06789).

    item pictures -> image encoder -> states of patches -> dense layer with ReLU -> mean over patches -> item vectors
    item ids -> item vectors + positions -> SASRec blocks -> last state . item vectors -> scores

    What differs from MoRec: each patch goes through the dense layer, and the mean is taken behind its ReLU, so that no
    element of an item vector is below zero; the loss is BPR. Vectors are neither centred nor scaled. Where the image
    encoder stays frozen, the states of its patches are kept in files.

    Attributes:
        content (TrainableImages): The pictures and their encoder.
        item_encoder (PatchProjection): Turns states of patches into item vectors.
    """

    paper = "arXiv 2309.06789"
    losses_of_others = PairwiseLoss
    content: TrainableImages

    def __init__(self, config: Config, dataset: ModelData, contents: ItemContents | None = None) -> None:
        super().__init__(config, dataset, contents)
        self.loss_reduction = config["loss_reduction"]

    def build_encoder(self, config: Config) -> nn.Module:
        """Build the sequence encoder, whose positions are counted from the latest event."""
        if config["transformer_block"] != "RecBole":
            return super().build_encoder(config)
        self.encoder_kind = "LatestSASRec"
        return LatestPositionEncoder(TransformerSettings.of(config), config["MAX_ITEM_LIST_LENGTH"])

    def build_item_encoder(self, config: Config, text_width: int) -> PatchProjection:  # type: ignore[override]
        """Build the dense layers over patches, and the mean behind them; the argument is the width of a state."""
        return PatchProjection(super().build_item_encoder(config, text_width), config["image_pooling"] == "mean")

    def content_parts(self, config: Config, dataset: SequenceDataset) -> PatchParts | None:
        """Return what makes an item's vector from the patches of its picture; None where IDs are joined."""
        if self.id_fusion != "none" or config["image_control"] != "none":
            return None
        projection = cast("PatchProjection", self.item_encoder)
        return PatchParts(
            self.content.snapshot(), linear_layers(projection.dense), projection.is_mean, config["image_field"], True
        )

    def build_content(self, config: Config) -> TrainableContent:
        """Return the pictures and their encoder, of which nothing may be trained."""
        settings = TrainedEncoderSettings.of(config)
        if settings.train_encoder == "none" or config["transfer"] in ("zero_shot", "frozen"):
            settings = settings.model_copy(update={"train_encoder": "last_n", "trained_layers": 0})
        assert self._contents is not None  # as read_texts made them
        return self._contents.trainable(settings)

    def content_vectors(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the states of the pictures of some inputs; int64 [R] -> [R, T, H]."""
        return self.content.encode_states(rows)

    def position_loss(self, batch: Batch) -> torch.Tensor:
        """Compute the loss over all positions that have a target; arguments as in :class:`SequenceModel`."""
        loss = super().position_loss(batch)
        if self.loss_reduction == "mean":
            return loss
        n_targets = sum(int((targets > 0).sum()) for _, targets in batch.parts)
        return loss * n_targets / sum(len(targets) for _, targets in batch.parts)


class PatchProjection(nn.Module):
    """Dense layers with ReLU over the states of patches, then the mean of these, or the first, that of a class token.

    The ReLU comes before the mean, as in the authors' code.

    Args:
        dense: Dense layers with other activations, which ReLU takes the place of.
        is_mean: Whether the mean over all states is taken, that of a class token included.
    """

    def __init__(self, dense: nn.Sequential, is_mean: bool) -> None:
        super().__init__()
        self.dense = nn.Sequential(*(nn.ReLU() if isinstance(layer, nn.GELU) else layer for layer in dense))
        self.is_mean = is_mean

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Return item vectors, zero where all states are; [R, T, H] -> [R, D]."""
        projected = self.dense(states if self.is_mean else states[:, :1]).mean(1)
        return projected * (states.abs().amax((1, 2)) > 0).unsqueeze(1)
