"""Read and vary a RecBole ``Config``, plain or strict."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from recbole_idp.config.model_defaults import model_layers

if TYPE_CHECKING:
    from recbole.config import Config

_PLAIN = (bool, int, float, str, list, dict, type(None))


def given_values(config: Config) -> dict[str, Any]:
    """Return the given value of every key, without those that RecBole computes.

    Args:
        config: The configuration.

    Returns:
        Values of plain types, which make an equal configuration.
    """
    values = {**config.internal_config_dict, **config.external_config_dict}
    values.update(model=config["model"], dataset=config["dataset"])
    # A configuration that names a rank is one of a distributed worker.
    return {key: value for key, value in values.items() if isinstance(value, _PLAIN) and key != "local_rank"}


def data_root(config: Config) -> str:
    """Return ``data_path`` as given: RecBole's ``Config`` appends the dataset's name to it."""
    return {**config.internal_config_dict, **config.external_config_dict}["data_path"]


def derive(config: Config, **values: Any) -> Config:
    """Return a copy of a configuration with other values of some keys."""
    derived = copy.copy(config)
    derived.final_config_dict = {**config.final_config_dict, **values}
    derived.external_config_dict = {**config.external_config_dict, **values}
    return derived


def as_pretrained(config: Config) -> Config:
    """Return a copy of a configuration with the seed of pre-training, which all seeds of a run share, as ``seed``."""
    if config["pretrain_seed"] is None:
        return config
    return derive(config, seed=config["pretrain_seed"], pretrain_seed=None)


def as_model(config: Config, model: str) -> Config:
    """Return a copy of a configuration for another registered model.

    Args:
        config: The configuration.
        model: The other model's name.

    Returns:
        The copy. Keys whose defaults differ between the models have the other model's default, unless the value is not
        the default: then the user chose it. Keys that the other model does not have are None.
    """
    ours, theirs = _defaults(config["model"], config), _defaults(model, config)
    unknown = dict.fromkeys(ours.keys() - theirs.keys())
    values = {
        key: value
        for key, value in theirs.items()
        if key not in ours or (value != ours[key] and config[key] == ours[key])
    }
    return derive(config, **values, **unknown, model=model)


def _defaults(model: str, config: Config) -> dict[str, Any]:
    """Return the plugin's default values for a model."""
    values = {}
    for layer in model_layers(model, config["dataset"]):
        values.update(layer.values)
    return values
