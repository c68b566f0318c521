"""The layers of a configuration put together and checked, without RecBole and its slow import.

    RecBole < plugin overall.yaml < model/<Model>.yaml < dataset/<dataset>.yaml < config files < config_dict < options

A mistake in a key or value shows here, before any work begins. ``config.StrictConfig`` makes it RecBole's ``Config``.
"""

import copy
import shlex
from typing import Any, NamedTuple

from recbole_idp import registry
from recbole_idp.config.checks import check_layer, check_together
from recbole_idp.config.declarations import settings_of
from recbole_idp.config.layers import COMMAND_LINE, CONFIG_DICT, Layer, read_file, recbole_layers
from recbole_idp.config.model_defaults import model_layers
from recbole_idp.errors import UserError

DEFAULT_MODEL = "IDP"
DEFAULT_DATASET = "ml-100k-target"
DEFAULT_RUN = "default run"


class Resolved(NamedTuple):
    """What the layers come to.

    Attributes:
        values (dict[str, Any]): Every key's value, of plain types only.
        origins (dict[str, str]): Every key's origin: a file, "config_dict", "command line" or "default run".
        defaults (dict[str, Any]): The values before the user's layers.
        layers (list[Layer]): The user's layers, checked.
    """

    values: dict[str, Any]
    origins: dict[str, str]
    defaults: dict[str, Any]
    layers: list[Layer]


def resolve(layers, model=None, dataset=None):
    """Puts the user's layers over the defaults of RecBole and the plugin.

    Args:
        layers (list[Layer]): The user's values, lowest first.
        model (str | None): The model's name; None: the layers name it, or else IDP.
        dataset (str | None): The dataset's name; None: the layers name it, or else the packaged default run.

    Returns:
        Resolved: Values and their origins.

    Raises:
        UserError: A model or key is unknown, or a value does not suit its key.
    """
    model, model_origin = _named("model", model, layers, DEFAULT_MODEL)
    dataset, dataset_origin = _named("dataset", dataset, layers, DEFAULT_DATASET)
    registry.check_model(model)
    below = recbole_layers(model, dataset) + model_layers(model, dataset)
    settings = settings_of(model, below)
    checked = [layer._replace(values=check_layer(layer, settings)) for layer in layers]
    values, origins = {}, {}
    for layer in below:
        _put(layer, values, origins)
    defaults = copy.deepcopy(values)
    for layer in checked:
        _put(layer, values, origins)
    values.update(model=model, dataset=dataset)
    origins.update(model=model_origin, dataset=dataset_origin)
    if values.get("pretrain_model"):
        registry.check_model(values["pretrain_model"])
    check_together(values)
    return Resolved(values, origins, defaults, checked)


def user_layers(config_files=(), config_dict=None, command_line=None):
    """Reads what the user gave.

    Args:
        config_files (Iterable[str]): YAML files, lowest first.
        config_dict (dict[str, Any] | None): Values from a program.
        command_line (dict[str, Any] | None): Values of the command line's options, as text or already typed.

    Returns:
        list[Layer]: One layer each, lowest first.
    """
    layers = [Layer(str(path), read_file(path)) for path in config_files or ()]
    layers.append(Layer(CONFIG_DICT, dict(config_dict or {})))
    layers.append(Layer(COMMAND_LINE, dict(command_line or {})))
    return [layer for layer in layers if layer.values]


def option_layers(options):
    """Reads the options of the command line, ``--config_files`` among them.

    Args:
        options (dict[str, str | bool]): The options as ``arguments.parse_arguments`` returns them.

    Returns:
        list[Layer]: The user's layers, lowest first.
    """
    options = dict(options)
    return user_layers(split_files(options.pop("config_files", None)), command_line=options)


def _put(layer, values, origins):
    """Puts a layer over ``values``; the settings of eval_args that it leaves out keep their values.

    RecBole would fall back to a random split there, which no sequential model accepts.
    """
    for key, value in layer.values.items():
        if key == "eval_args" and isinstance(value, dict):
            value = {**values.get(key, {}), **value}
        values[key] = copy.deepcopy(value)
        origins[key] = layer.origin


def _named(key, given, layers, default):
    """Finds the model's or the dataset's name, which decides on the layers below the user's."""
    if given is not None:
        return given, CONFIG_DICT
    for layer in reversed(layers):
        if layer.values.get(key) is not None:
            name = layer.values[key]
            if not isinstance(name, str) or not name:
                raise UserError(f"{key} must be a name, but is {name!r} {layer.place}")
            return name, layer.origin
    return default, DEFAULT_RUN


def split_files(value):
    """Returns the file names in the text of ``--config_files``, which spaces separate; quotation marks protect them.

    Args:
        value (str | list[str] | bool | None): What the command line says.

    Returns:
        list[str]: The file names, in order.

    Raises:
        UserError: A quotation mark is left open, or no file is named.
    """
    if value is None or isinstance(value, list):
        return value or []
    if value is True:
        raise UserError('--config_files names no file: write --config_files="a.yaml b.yaml"')
    try:
        return shlex.split(value)
    except ValueError as error:
        raise UserError(f"--config_files={value}: {str(error).lower()}: close the quotation mark") from None
