"""The result of training on the source domains: read from a bundle, or kept until a bundle is written."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from recbole_idp.errors import UserError
from recbole_idp.models.idp.bundle import Bundle
from recbole_idp.storage.checkpoint import load_checkpoint, save_checkpoint

_ITEMS = "item_embedding.weight"
_ENCODER = "encoder."


@dataclass(frozen=True)
class SourceModel:
    """Item IDs and sequence encoder, which do not depend on texts.

    Attributes:
        item_embeddings: ID embeddings without padding; shape [S, D].
        encoder: State of the sequence encoder.
        valid: Validation metrics on held-out source users.
    """

    item_embeddings: torch.Tensor
    encoder: dict[str, torch.Tensor]
    valid: dict[str, float]

    @classmethod
    def from_state(cls, state: Mapping[str, torch.Tensor], valid: dict[str, float]) -> SourceModel:
        """Take the parts out of a model's state."""
        encoder = {name[len(_ENCODER) :]: value for name, value in state.items() if name.startswith(_ENCODER)}
        copied = {name: value.detach().cpu().clone() for name, value in encoder.items()}
        return cls(state[_ITEMS].detach().cpu()[1:].clone(), copied, valid)


def find_source_model(checkpoint_dir: str | Path, digits: str, kept: Path) -> SourceModel | None:
    """Find the result of an earlier training with the same sources and settings.

    Args:
        checkpoint_dir: Folder with bundles.
        digits: The fingerprint of sources and settings, ``pretrain_fingerprint`` of bundles.
        kept: Where :func:`keep_source_model` keeps it.

    Returns:
        None where there is none that can be read.
    """
    logger = logging.getLogger()
    for path in sorted(Path(checkpoint_dir).glob(f"*/{Bundle.folder_format.description_file}")):
        try:
            if Bundle.read_description(path.parent).get("pretrain_fingerprint") != digits:
                continue
            bundle = Bundle.open(path.parent)
        except UserError as error:
            logger.debug(f"not looked at: {error}")
            continue
        logger.info(f"Item IDs and sequence encoder were trained before with the same data and settings: {path.parent}")
        return SourceModel(bundle.item_embeddings, bundle.encoder, bundle.description["valid"])
    if not kept.is_file():
        return None
    try:
        state, description, _ = load_checkpoint(kept)
        model = SourceModel.from_state(state, description["valid"])
    except (UserError, KeyError) as error:
        logger.warning(f"{kept} is not used: {error}")
        return None
    logger.info(f"Item IDs and sequence encoder of an interrupted run are reused: {kept}")
    return model


def keep_source_model(path: Path, model: nn.Module, valid: dict[str, float]) -> SourceModel:
    """Keep a trained model until the bundle is written.

    Args:
        path: The file.
        model: The model, an :class:`~recbole_idp.models.idp.model.IDP`.
        valid: Its validation metrics.

    Returns:
        What was kept.

    Raises:
        UserError: It cannot be written.
    """
    save_checkpoint(path, model, {"valid": valid})
    return SourceModel.from_state(model.state_dict(), valid)
