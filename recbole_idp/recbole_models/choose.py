"""Choose model class, dataset and trainer: the plugin's, another package's, or those for RecBole's own models."""

from __future__ import annotations

from recbole.config import Config
from recbole.data import create_dataset
from recbole.data.dataset import Dataset
from recbole.model.abstract_recommender import AbstractRecommender
from recbole.trainer import Trainer
from recbole.utils import get_model, get_trainer

from recbole_idp import registry
from recbole_idp.config.support import FEATURE_MODELS
from recbole_idp.data.dataset import SequenceDataset
from recbole_idp.errors import UserError
from recbole_idp.recbole_models.datasets import (
    LiteralDIENDataset,
    LiteralSequentialDataset,
    LiteralSequentialDatasetWithFeatures,
    SequenceDatasetWithFeatures,
)
from recbole_idp.recbole_models.general_dataset import GeneralDataset
from recbole_idp.recbole_models.history import excluding_history
from recbole_idp.recbole_models.requirements import check_dataset
from recbole_idp.recbole_models.trainers import CountingTrainer, TrimmedTrainer, recbole_trainer_class
from recbole_idp.train.run_trainer import RunTrainer

FAST_MODELS = registry.FAST_MODELS


def model_class(config: Config) -> type[AbstractRecommender]:
    """Return the class of a configuration's model.

    RecBole's own models are trained by their fast classes where there are any, unless ``exact_recbole`` is set. They
    exclude history items if ``exclude_history`` is set; registered models do so themselves.

    Args:
        config: The configuration.
    """
    name = config["model"]
    if name in registry.models():
        return get_model(name)
    found = registry.resolve(FAST_MODELS[name]) if _trims(name, config["exact_recbole"]) else get_model(name)
    if config["exclude_history"] and name not in registry.GENERAL_MODELS:
        return excluding_history(found)
    return found


def make_dataset(config: Config) -> Dataset:
    """Make the dataset of a configuration's model, not split yet.

    Args:
        config: The configuration.

    Raises:
        UserError: The model cannot be trained on it.
    """
    if config["model"] in registry.models():
        return create_dataset(config)
    dataset = _dataset_class(config["model"], _trims(config["model"], config["exact_recbole"]))(config)
    check_dataset(dataset)
    return dataset


def _dataset_class(name: str, trims: bool) -> type[Dataset]:
    """Return the class of the dataset of one of RecBole's models."""
    if name in registry.GENERAL_MODELS:
        return GeneralDataset
    if name == "DIEN":
        return LiteralDIENDataset
    if trims:
        return SequenceDatasetWithFeatures if name in FEATURE_MODELS else SequenceDataset
    return LiteralSequentialDatasetWithFeatures if name in FEATURE_MODELS else LiteralSequentialDataset


def trainer_class(config: Config) -> type[Trainer]:
    """Return the class of the trainer of a configuration's model.

    Args:
        config: The configuration.

    Returns:
        A RecBole trainer that is a :class:`~recbole_idp.train.run_trainer.RunTrainer`.

    Raises:
        UserError: ``exact_recbole`` is set for a model of the plugin, a key is set that the trainer would silently
            ignore, or the trainer of another package is no ``RunTrainer``.
    """
    trainer = _trainer_class(config)
    if not issubclass(trainer, RunTrainer):
        raise UserError(
            f"the trainer of {config['model']}, {trainer.__module__}.{trainer.__name__}, cannot be used by a run: "
            "derive it from recbole_idp.train.trainer.SequenceTrainer"
        )
    if config["fuse"] and not trainer.fuses:
        raise UserError(
            f"fuse adds scores to models that this package trains and that score all items, and {config['model']} is "
            "none: remove fuse"
        )
    trainer.check_config(config)
    return trainer


def _trainer_class(config: Config) -> type[Trainer]:
    """Return the class of the trainer, unchecked."""
    name, exact = config["model"], config["exact_recbole"]
    if name in registry.models():
        if exact:
            raise UserError(f"exact_recbole is for RecBole's own models, which {name} is not: remove it")
        return get_trainer(config["MODEL_TYPE"], name)
    if name in registry.GENERAL_MODELS and not exact:
        return CountingTrainer
    return TrimmedTrainer if _trims(name, exact) else recbole_trainer_class(config["MODEL_TYPE"], name)


def _trims(name: str, exact_recbole: bool) -> bool:
    """Return whether the model is trained on trimmed batches by its fast class."""
    return name in FAST_MODELS and not exact_recbole
