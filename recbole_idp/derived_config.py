"""Reading and varying a RecBole ``Config``, be it a plain or a strict one."""

import copy

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
