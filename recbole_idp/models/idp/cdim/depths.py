"""Training of a bundle's matcher at each depth."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch

from recbole_idp.config.setting import declared_by
from recbole_idp.content.text.interface import distinct_texts
from recbole_idp.content.trainable.text import check_layers, transformer_of
from recbole_idp.errors import UserError
from recbole_idp.models.idp.cdim.head import HeadTrainee
from recbole_idp.models.idp.cdim.layers import LayersTrainee, LoRATrainee
from recbole_idp.models.idp.cdim.matchers import EncoderMatcher, FrozenMatcher, HeadMatcher
from recbole_idp.models.idp.cdim.positives import POSITIVES
from recbole_idp.models.idp.cdim.trainer import CdimTrainer, Schedule
from recbole_idp.nn.adapters.bert import lora_places

if TYPE_CHECKING:
    from pathlib import Path

    from recbole_idp.content.text.encoding import TextEncoding
    from recbole_idp.content.text.interface import TextEncoder
    from recbole_idp.content.text.sentence import SentenceEncoder
    from recbole_idp.data.sequences import Sequences
    from recbole_idp.models.idp.keys import MatcherSettings

NONE, HEAD, LAST_N, FULL, LORA = "none", "head", "last_n", "full", "lora"
_SHARED = (
    "cdim_losses",
    "cdim_positives",
    "cdim_temperature",
    "cdim_neighbours",
    "cdim_valid_items",
)
_ENCODER = ("cdim_encoder_epochs", "cdim_encoder_batch_size", "cdim_encoder_learning_rate")
# The keys that each depth reads.
_KEYS = {
    NONE: (),
    HEAD: (*_SHARED, "cdim_epochs", "cdim_batch_size", "cdim_learning_rate", "cdim_dropout"),
    LAST_N: (*_SHARED, *_ENCODER, "cdim_layers"),
    FULL: (*_SHARED, *_ENCODER),
    LORA: (*_SHARED, "cdim_encoder_epochs", "cdim_encoder_batch_size", "cdim_lora_learning_rate", "cdim_lora_rank"),
}


@dataclass(frozen=True)
class SourceItems:
    """The training data of the matcher. S source items.

    Attributes:
        embeddings: Pre-trained ID embeddings; shape [S, D].
        events: Number of events that each was trained on; shape [S].
        texts: Their texts, blank for none; length S.
        frozen_vectors: Vectors of the texts, zero for blank ones; shape [S, W].
        domains: Number of the domain of each; shape [S].
        sequences: The events of all users; items are numbered from 1.
    """

    embeddings: torch.Tensor
    events: np.ndarray
    texts: list[str]
    frozen_vectors: np.ndarray
    domains: np.ndarray
    sequences: Sequences


def deciding_values(settings: MatcherSettings) -> dict[str, Any]:
    """Return the keys and values that decide on the matcher, without those that its depth does not read."""
    values = settings.model_dump(include={"cdim_depth", *_KEYS[settings.cdim_depth]})
    declared = declared_by(type(settings))
    return {key: value for key, value in values.items() if not declared[key].says_nothing(values)}


def check_depth(settings: MatcherSettings, text_encoder: TextEncoder) -> None:
    """Check before any work that the text encoder can be trained at the configured depth.

    Args:
        settings: With ``cdim_depth`` and ``cdim_layers``.
        text_encoder: The frozen encoder.

    Raises:
        UserError: It has no layers, or fewer than configured, or none that LoRA can change.
    """
    depth = settings.cdim_depth
    if depth in (NONE, HEAD):
        return
    if not text_encoder.has_tokens:
        raise UserError(f"cdim_depth {depth} trains layers, of which {text_encoder.name} has none: use head or none")
    if depth == LAST_N:
        check_layers(cast("SentenceEncoder", text_encoder), settings.cdim_layers, "cdim_layers")
    if depth == LORA:
        lora_places(transformer_of(cast("SentenceEncoder", text_encoder).model), text_encoder.name)


def train_matcher(
    settings: MatcherSettings,
    items: SourceItems,
    text_encoder: TextEncoder,
    encoding: TextEncoding,
    checkpoint: Path,
    seed: int,
) -> tuple[FrozenMatcher | HeadMatcher | EncoderMatcher, dict[str, Any]]:
    """Train the matcher on the source items (IDP, CDIM), at the configured depth.

    Args:
        settings: Depth, losses and schedule.
        items: The source items.
        text_encoder: The frozen encoder; it stays as it is.
        encoding: Where it computes, and the cache of what it gives.
        checkpoint: The file from which an interrupted training resumes.
        seed: Decides on what is held out and drawn.

    Returns:
        The matcher, and what a bundle stores about it: ``depth``, ``matcher`` (what is kept), ``best_epoch``,
        ``before``, ``after`` and ``epochs`` (matching quality).
    """
    depth = settings.cdim_depth
    if depth == NONE:
        return FrozenMatcher(), {"depth": depth, "matcher": FrozenMatcher.kind}
    logger = logging.getLogger()
    _, texts = distinct_texts(items.texts)
    has_vector = (texts >= 0) & np.any(items.frozen_vectors, axis=1)
    neighbours = POSITIVES[settings.cdim_positives](items, settings.cdim_neighbours, has_vector)
    trainee, schedule = _trainee(settings, items, text_encoder, encoding)
    numbers, show = np.where(has_vector, texts, -1), encoding.show_progress
    trainer = CdimTrainer(settings, trainee, schedule, neighbours, numbers, checkpoint, seed, show)
    if not len(trainer.valid):
        logger.warning("CDIM: too few source items with text to train a matcher on; the frozen vectors are kept")
        return FrozenMatcher(), {"depth": depth, "matcher": FrozenMatcher.kind}
    if depth != HEAD:
        minutes = trainer.estimate() / 60
        logger.info(f"CDIM {depth}: about {minutes:.0f} minutes on this machine, then its encoder encodes the texts")
    trainer.fit()
    best = trainer.best_epoch
    if best == 0:
        logger.info("CDIM: no epoch found more behaviour neighbours than the frozen vectors; these are kept")
    matcher = _matcher(trainee, encoding) if best else FrozenMatcher()
    quality = {"before": trainer.history[0], "after": trainer.history[best], "epochs": trainer.history[1:]}
    return matcher, {"depth": depth, "matcher": matcher.kind, "best_epoch": best, **quality}


def _trainee(
    settings: MatcherSettings, items: SourceItems, text_encoder: TextEncoder, encoding: TextEncoding
) -> tuple[HeadTrainee | LayersTrainee, Schedule]:
    """Return what is trained at the configured depth, and its schedule."""
    if settings.cdim_depth == HEAD:
        schedule = Schedule(settings.cdim_epochs, settings.cdim_batch_size, settings.cdim_learning_rate)
        return HeadTrainee(items.frozen_vectors, settings.cdim_dropout, encoding.device), schedule
    encoder, place = cast("SentenceEncoder", text_encoder), (encoding.cache, encoding.show_progress)
    epochs, size = settings.cdim_encoder_epochs, settings.cdim_encoder_batch_size
    if settings.cdim_depth == LORA:
        changes = LoRATrainee(encoder, items.texts, settings.cdim_lora_rank, *place)
        return changes, Schedule(epochs, size, settings.cdim_lora_learning_rate)
    layers = settings.cdim_layers if settings.cdim_depth == LAST_N else None
    trainee = LayersTrainee(encoder, items.texts, layers, *place)
    return trainee, Schedule(epochs, size, settings.cdim_encoder_learning_rate)


def _matcher(trainee: HeadTrainee | LayersTrainee, encoding: TextEncoding) -> HeadMatcher | EncoderMatcher:
    """Return the matcher of a finished training."""
    if isinstance(trainee, HeadTrainee):
        return HeadMatcher(trainee.module)
    return EncoderMatcher(trainee.tuned_encoder(), encoding.cache, encoding.show_progress)
