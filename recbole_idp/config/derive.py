"""Reading and varying a RecBole ``Config``, be it a plain or a strict one."""

import copy

from recbole_idp.config.model_defaults import model_layers

_PLAIN = (bool, int, float, str, list, dict, type(None))


def given_values(config):
    """Returns the values that were given for every key, before RecBole computed others from them.

    Args:
        config (Config): A RecBole configuration.

    Returns:
        dict: Values of plain types; from them an equal configuration can be made.
    """
    values = {**config.internal_config_dict, **config.external_config_dict}
    values.update(model=config["model"], dataset=config["dataset"])
    # A configuration that names a rank is one of a distributed worker.
    return {key: value for key, value in values.items() if isinstance(value, _PLAIN) and key != "local_rank"}


def data_root(config):
    """Returns the folder that the user gave as ``data_path``: RecBole's ``Config`` joins the dataset's name to it."""
    return {**config.internal_config_dict, **config.external_config_dict}["data_path"]


def derive(config, **values):
    """Returns a copy of a configuration with some values changed; the original stays as it is."""
    derived = copy.copy(config)
    derived.final_config_dict = {**config.final_config_dict, **values}
    derived.external_config_dict = {**config.external_config_dict, **values}
    return derived


def as_pretrained(config):
    """Return a configuration whose ``seed`` is that of pre-training, which all seeds of a run share."""
    if config["pretrain_seed"] is None:
        return config
    return derive(config, seed=config["pretrain_seed"], pretrain_seed=None)


def as_model(config, model):
    """Returns a copy of a configuration for another registered model.

    Args:
        config (Config): The configuration.
        model (str): The other model's name.

    Returns:
        Config: Where the defaults of the two models differ it has those of the other one, unless the value is none of
        the defaults: then somebody chose it. The original stays as it is.
    """
    ours, theirs = _defaults(config["model"], config), _defaults(model, config)
    values = {
        key: value
        for key, value in theirs.items()
        if key not in ours or (value != ours[key] and config[key] == ours[key])
    }
    return derive(config, **values, model=model)


def _defaults(model, config):
    """Returns the plugin's default values for a model."""
    values = {}
    for layer in model_layers(model, config["dataset"]):
        values.update(layer.values)
    return values
