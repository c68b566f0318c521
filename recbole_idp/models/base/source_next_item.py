"""Pre-training of a causal encoder on source sequences: the next item at every position."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import nn

from recbole_idp.data.keys import DataSettings
from recbole_idp.models.base.sequence_model import SequenceModel
from recbole_idp.models.base.transferred import check_sizes
from recbole_idp.nn.encoder.causal import SIZES, CausalSettings, causal_encoder
from recbole_idp.train.pretrained import find_or_make
from recbole_idp.train.pretrained_folder import FolderT
from recbole_idp.train.source_sequences import SequencePretraining, open_of_sequences
from recbole_idp.train.source_training import source_settings

if TYPE_CHECKING:
    from recbole.config import Config

    from recbole_idp.models.base.sequence_model import ModelData
    from recbole_idp.nn.encoder.dilated import DilatedBlock
    from recbole_idp.train.clock import StageClock


class SourceNextItem(SequenceModel):
    """The pre-training of PeterRec and of Conure's first task.

    item ids -> item vectors -> encoder -> states . softmax weights + bias -> scores

    Args:
        config: The configuration of pre-training; see :func:`source_next_item_settings`.
        dataset: The joined source domains.

    Attributes:
        block: The class of the blocks of convolutions.
        softmax (nn.Embedding): Vectors of the items as candidates, apart from those of the input; shape [N, D].
        bias (nn.Parameter): Shape [N].
    """

    block: ClassVar[type[DilatedBlock]]

    def __init__(self, config: Config, dataset: ModelData) -> None:
        super().__init__(config, dataset)
        self.softmax = nn.Embedding(self.n_items, self.hidden_size)
        nn.init.normal_(self.softmax.weight, std=0.01)
        self.bias = nn.Parameter(torch.full((self.n_items,), 0.1))

    def build_encoder(self, config: Config) -> nn.Module:
        """Build the encoder, with a place for the token of later tasks."""
        return causal_encoder(CausalSettings.of(config), config["MAX_ITEM_LIST_LENGTH"], self.block)

    def candidate_vectors(self) -> torch.Tensor:
        """Return the softmax weights; shape [N, D]."""
        return self.softmax.weight

    def item_bias(self) -> torch.Tensor:
        """Return the bias; shape [N]."""
        return self.bias


def source_next_item_settings(config: Config, **values: Any) -> Config:
    """Return the configuration of this pre-training, from the target's; see :func:`source_settings`."""
    return source_settings(
        config,
        training_rows="position",
        loss_type="CE",
        train_negatives=config["pretrain_negatives"],
        exclude_history=False,
        **values,
    )


class CausalPretraining(SequencePretraining[FolderT]):
    """Pre-training of item vectors and a causal encoder by the next item, on source sequences."""

    def values(self) -> dict[str, Any]:
        """Return the keys that decide on the result; those of the other encoder do not."""
        return without_other_encoder(super().values())

    def sizes(self) -> dict[str, Any]:
        """Return the keys that decide on whether the encoder's weights fit, and their values."""
        return encoder_sizes(CausalSettings.of(self.config), self.config["MAX_ITEM_LIST_LENGTH"])


def find_or_make_causal(
    pretraining: type[CausalPretraining[FolderT]], config: Config, clock: StageClock | None
) -> FolderT:
    """Open the folder that a configuration means, and make it first where there is none.

    Args:
        pretraining: Makes it.
        config: With ``pretrained`` naming a folder, or else the sources and all hyper-parameters.
        clock: Where stages are timed.

    Returns:
        The opened folder.

    Raises:
        UserError: The named folder or the sources cannot be used, or its sizes are others than the configuration's.
    """
    if not config["pretrained"]:
        return find_or_make(pretraining(config), clock)
    found = open_of_sequences(pretraining.result, config["pretrained"], config["dataset"], DataSettings.of(config))
    own = encoder_sizes(CausalSettings.of(config), config["MAX_ITEM_LIST_LENGTH"])
    check_sizes(own, found.description["sizes"], str(found.folder))
    return found


def encoder_sizes(settings: CausalSettings, max_length: int) -> dict[str, Any]:
    """Return the keys that decide on whether the encoder's weights fit, and their values."""
    values = {**settings.model_dump(), "MAX_ITEM_LIST_LENGTH": max_length}
    return {key: values[key] for key in ("encoder", *SIZES[settings.encoder])}


def without_other_encoder(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values without the keys of encoders other than the one that ``encoder`` names."""
    kind = values["encoder"]
    unread = {key for other, keys in SIZES.items() if other != kind for key in keys} - set(SIZES[kind])
    return {key: value for key, value in values.items() if key not in unread}
