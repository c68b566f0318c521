"""Check the keys that are given to RecBole's own ``Config`` for a registered model."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from recbole_idp.config.checks import known_key
from recbole_idp.config.declarations import model_settings
from recbole_idp.config.layers import COMMAND_LINE, CONFIG_DICT, Layer, properties_folder
from recbole_idp.config.support import DISTRIBUTED, check_supported
from recbole_idp.errors import UserError

if TYPE_CHECKING:
    from recbole.config import Config


def check_given(model: str, dataset: str, config: Config) -> None:
    """Check that a registered model knows the keys that are given to RecBole's ``Config``, and that they work with it.

    RecBole reads the command line of any program, whose options may be the program's own: there an unknown key is
    logged and not refused.

    Args:
        model: The model's name.
        dataset: The dataset's name.
        config: The configuration, whose defaults are loaded.

    Raises:
        UserError: A key is unknown, or does not work with the model.
    """
    settings, defaults = model_settings(model, dataset), config.internal_config_dict
    layers = [
        Layer("a configuration file", _read_by_us(config.file_config_dict)),
        Layer(CONFIG_DICT, _read_by_us(config.variable_config_dict)),
    ]
    for layer in layers:
        for key in layer.values:
            known_key(key, settings, layer)
    options = Layer(COMMAND_LINE, _read_by_us(config.cmd_config_dict))
    for key in list(options.values):
        try:
            known_key(key, settings, options)
        except UserError as error:
            logging.getLogger().warning(f"recbole_idp: {error}")
            del options.values[key]
    layers.append(options)
    given = {key: value for layer in layers for key, value in layer.values.items()}
    if given.get("protocol"):
        raise UserError(
            f"protocol is {given['protocol']}, which RecBole's own Config does not read: give the file "
            f"{properties_folder() / 'protocol' / given['protocol']}.yaml in config_file_list, or take StrictConfig"
        )
    if given.get("tasks"):
        raise UserError("tasks are learned by run_recbole_idp.py, and RecBole's own program learns one: give it there")
    check_supported(model, layers, {**defaults, **given}, defaults)


def _read_by_us(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values without those that RecBole's own ``run`` sets for the processes that it starts."""
    return {key: value for key, value in values.items() if key not in DISTRIBUTED}
