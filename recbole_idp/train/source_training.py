"""Common steps of trainings on source domains: settings, identity, reading and training."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from recbole.utils import init_seed

from recbole_idp.config.derive import derive
from recbole_idp.data.domains import Domains, TargetLoader, load_domains
from recbole_idp.evaluation.metrics import compares_labels, needs_classes, parse
from recbole_idp.train.trainer import SequenceTrainer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from recbole.config import Config
    from torch import nn

    from recbole_idp.content.text.encoding import TextEncoding
    from recbole_idp.content.text.interface import TextEncoder
    from recbole_idp.data.catalog import DatasetLocation
    from recbole_idp.train.clock import StageClock


def chosen_values(config: Config, *keys: str) -> dict[str, Any]:
    """Return some keys of a configuration and their values."""
    return {key: config[key] for key in keys}


def text_encoder_identity(text_encoder: TextEncoder) -> str:
    """Return the identity of a text encoder for a fingerprint.

    Args:
        text_encoder: The text encoder, fitted or not.

    Returns:
        Its fingerprint; its name if it is fitted to the texts of the data, whose hashes count themselves.
    """
    return text_encoder.name if text_encoder.needs_fitting else text_encoder.fingerprint


def source_settings(config: Config, **values: Any) -> Config:
    """Return the configuration of a training on the source domains.

    Args:
        config: The configuration, with the ``pretrain_*`` keys.
        values: Further values to set.

    Returns:
        A copy in which the keys of training have the values of pre-training. Where metrics compare scores with labels,
        or are those of classes, it is validated by NDCG@10.
    """
    # Sources have no labels and no classes. RecBole computes the direction once, from what the user gave.
    given = [*config["metrics"], parse(config["valid_metric"]).metric.name]
    ranked = {"metrics": ["NDCG"], "valid_metric": "NDCG@10", "valid_metric_bigger": True}
    validation = ranked if compares_labels(config["metrics"]) or needs_classes(given) else {}
    return derive(
        config,
        **validation,
        dataset="-".join(config["source_domains"])[:80],
        epochs=config["pretrain_epochs"],
        learning_rate=config["pretrain_learning_rate"],
        train_batch_size=config["pretrain_batch_size"],
        stopping_step=config["pretrain_stopping_step"],
        # Sources are large, and fingerprints have no such key.
        epoch_steps=1,
        **values,
    )


class SourceData(NamedTuple):
    """The source domains and the texts of their items. S source items.

    Attributes:
        domains: The joined events.
        texts: Text of each item, or its name for vectors of the user's own, blank where it has none; length S.
        titles: Title of each item; length S.
    """

    domains: Domains
    texts: list[str]
    titles: list[str]


def read_sources(
    config: Config, locations: Sequence[DatasetLocation], encoding: TextEncoding, clock: StageClock
) -> SourceData:
    """Read the source domains and the texts of their items.

    Args:
        config: The configuration, with ``source_domains`` and ``shared_users``.
        locations: Locations of the domains.
        encoding: Columns and length of the texts.
        clock: Where the stage ``read`` is timed.

    Returns:
        Events and texts.

    Raises:
        UserError: A domain cannot be read, or no item has a text.
    """
    domains = read_domains(config, clock)
    return SourceData(domains, *encoding.source_texts(domains, locations))


def read_domains(config: Config, clock: StageClock) -> Domains:
    """Read the events of the source domains.

    Args:
        config: The configuration, with ``source_domains`` and ``shared_users``.
        clock: Where the stage ``read`` is timed.

    Raises:
        UserError: A domain cannot be read.
    """
    with clock.stage("read", f"reading {', '.join(config['source_domains'])}") as facts:
        domains = load_domains(config)
        facts["source_interactions"] = domains.sequences.n_events
        facts["source_items"] = len(domains.item_tokens) - 1
        for domain in domains.domains:
            logging.getLogger().info(
                f"{domain.name}: {domain.users:,} users, {domain.items:,} items, {domain.interactions:,} interactions"
            )
    return domains


def train_resumably(
    settings: Config,
    make_model: Callable[[], nn.Module],
    loaders: tuple[TargetLoader, TargetLoader | None],
    unfinished: Path,
    trainer_class: type[SequenceTrainer] = SequenceTrainer,
) -> tuple[SequenceTrainer, dict[str, float]]:
    """Train a model, and resume an interrupted training.

    Args:
        settings: The configuration of this training.
        make_model: Function that makes the :class:`~recbole_idp.models.base.sequence_model.SequenceModel`, called after
            seeding.
        loaders: Loaders for training and validation; without validation all epochs are trained.
        unfinished: Folder of the training state, saved after each epoch.
        trainer_class: Class of the trainer.

    Returns:
        The trainer, whose ``model`` has the weights of the best epoch, and the validation metrics of that epoch.
    """
    train_data, valid_data = loaders
    init_seed(settings["seed"], settings["reproducibility"])
    trainer = trainer_class(settings, make_model().to(settings["device"]))
    trainer.keep_in(unfinished)
    _, metrics = trainer.fit(train_data, valid_data, saved=True, show_progress=settings["show_progress"])
    trainer.restore(trainer.saved_model_file)
    return trainer, dict(metrics or {})
