"""Models on the toy data: their configuration, with random weights, and trained."""

from pathlib import Path
from typing import Any

import torch
from recbole.data import create_dataset, data_preparation
from recbole.utils import get_model, get_trainer, init_seed

from recbole_idp.config.declarations import model_settings
from recbole_idp.config.strict import StrictConfig
from recbole_idp.testing.toy import settings


def configured(folder: Path, model: str, dataset: str = "shop", **changes: Any) -> StrictConfig:
    """Return the configuration of a model on toy data.

    Args:
        folder: The folder of the data; see :func:`~recbole_idp.testing.toy.write_domains`.
        model: The registered name.
        dataset: The dataset's name.
        **changes: Keys that differ from :func:`~recbole_idp.testing.toy.settings`, of which those are omitted that the
            model does not have.
    """
    known = model_settings(model, dataset)
    sizes = {key: value for key, value in settings(folder).items() if key in known}
    return StrictConfig(model, dataset, config_dict={**sizes, **changes})


def loaders_of(config: StrictConfig) -> tuple[Any, Any, Any]:
    """Return RecBole's loaders for training, validation and test."""
    return data_preparation(config, create_dataset(config))


def perturbed(model: torch.nn.Module) -> torch.nn.Module:
    """Add noise to all weights, so that scores differ visibly; return the model in evaluation mode."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return model.eval()


def with_random_weights(config: StrictConfig, seed: int = 1) -> tuple[torch.nn.Module, tuple[Any, Any, Any]]:
    """Make a model with random weights at which differences show.

    Args:
        config: The model's configuration.
        seed: Decides on the weights.

    Returns:
        The model in evaluation mode, and the loaders for training, validation and test.
    """
    loaders = loaders_of(config)
    init_seed(seed, True)
    return perturbed(get_model(config["model"])(config, loaders[0].dataset)), loaders


def trainer_for(config: StrictConfig, model: torch.nn.Module) -> Any:
    """Return the trainer that the registration of a model names."""
    return get_trainer(config["MODEL_TYPE"], config["model"])(config, model)


def fitted(config: StrictConfig, latest: Path | None = None) -> tuple[Any, Any]:
    """Train a model.

    Args:
        config: The model's configuration.
        latest: The file that keeps where the training stands, so that another call goes on from there; None: nothing
            is kept.

    Returns:
        The trainer, which holds the model, and the loader for the test.
    """
    train, valid, test = loaders_of(config)
    init_seed(1, True)
    trainer = trainer_for(config, get_model(config["model"])(config, train.dataset))
    if latest is not None:
        trainer.latest = latest
    trainer.fit(train, valid, verbose=False)
    return trainer, test
