"""Which dataset and trainer take a model through a run: the plugin's, another package's, or those for RecBole's own."""

from recbole.data import create_dataset
from recbole.utils import get_trainer

from recbole_idp import registry
from recbole_idp.data.dataset import SequenceDataset
from recbole_idp.errors import UserError
from recbole_idp.recbole_models.datasets import RecBolesDataset, RecBolesDatasetWithWords, SequenceDatasetWithWords
from recbole_idp.recbole_models.general_dataset import GeneralDataset
from recbole_idp.recbole_models.trainers import CountingTrainer, TrimmedTrainer, recboles_trainer
from recbole_idp.train.run_trainer import RunTrainer

TRIMMED = ("GRU4Rec", "SASRec", "BERT4Rec", "FDSA")
"""RecBole's models that are tested to be the same on trimmed batches."""

WITH_WORDS = ("FDSA",)
"""RecBole's models that read features of items."""


def make_dataset(config):
    """Makes the dataset of a configuration's model.

    Args:
        config (Config): The configuration.

    Returns:
        Dataset: Not split yet.
    """
    name = config["model"]
    if name in registry.models():
        return create_dataset(config)
    if name in registry.GENERAL_MODELS:
        return GeneralDataset(config)
    if _trims(config):
        return (SequenceDatasetWithWords if name in WITH_WORDS else SequenceDataset)(config)
    return (RecBolesDatasetWithWords if name in WITH_WORDS else RecBolesDataset)(config)


def trainer_class(config):
    """Returns the class of the trainer of a configuration's model.

    Args:
        config (Config): The configuration.

    Returns:
        type[RunTrainer]: A trainer of RecBole's as well.

    Raises:
        UserError: ``exact_recbole`` is set for a model that is none of RecBole's, a key for what the trainer does not
            do, or another package's trainer has not the interface.
    """
    trainer = _trainer_class(config)
    if not issubclass(trainer, RunTrainer):
        raise UserError(
            f"the trainer of {config['model']}, {trainer.__module__}.{trainer.__name__}, is none that a run can use: "
            "derive it from recbole_idp.train.trainer.SequenceTrainer"
        )
    trainer.check_config(config)
    return trainer


def _trainer_class(config):
    name = config["model"]
    if name in registry.models():
        if config["exact_recbole"]:
            raise UserError(f"exact_recbole is for RecBole's own models, and {name} is none: remove it")
        return get_trainer(config["MODEL_TYPE"], name)
    if name in registry.GENERAL_MODELS and not config["exact_recbole"]:
        return CountingTrainer
    return TrimmedTrainer if _trims(config) else recboles_trainer(config["MODEL_TYPE"], name)


def _trims(config):
    return config["model"] in TRIMMED and not config["exact_recbole"]
