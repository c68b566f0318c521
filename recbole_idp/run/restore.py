"""Open a checkpoint with its data, as RecBole's ``load_data_and_model`` does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from recbole.data import data_preparation
from recbole.utils import init_logger, init_seed

from recbole_idp.config.declarations import model_settings
from recbole_idp.config.strict import StrictConfig
from recbole_idp.recbole_models.choose import make_dataset, model_class
from recbole_idp.storage.checkpoint import load_checkpoint


def load_data_and_model(model_file: str | Path) -> tuple[Any, ...]:
    """Rebuild configuration, data and model from a checkpoint. RecBole's function of this name calls it for our files.

    Args:
        model_file: A checkpoint of this package.

    Returns:
        Configuration, model, dataset, and loaders for training, validation and test.

    Raises:
        UserError: The checkpoint or the data cannot be used.
    """
    state, description, _ = load_checkpoint(model_file)
    config = saved_config(description)
    init_seed(config["seed"], config["reproducibility"])
    init_logger(config)
    dataset = make_dataset(config)
    train, valid, test = data_preparation(config, dataset)
    init_seed(config["seed"], config["reproducibility"])
    model = model_class(config)(config, train.dataset).to(config["device"])
    model.load_state_dict(state)
    return config, model, dataset, train, valid, test


def saved_config(description: dict[str, Any]) -> StrictConfig:
    """Rebuild the configuration of a checkpoint.

    Args:
        description: The description that :func:`~recbole_idp.storage.checkpoint.load_checkpoint` returns.

    Returns:
        The configuration; keys that only a plain RecBole ``Config`` accepts are left out.
    """
    values = description["config"]
    model, dataset = description["model"], description["dataset"]
    known = model_settings(model, dataset)
    return StrictConfig.from_dict({key: value for key, value in values.items() if key in known})
