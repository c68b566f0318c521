"""Check and merge the layers of a configuration, without RecBole and its slow import.

    RecBole < plugin overall.yaml < model/<Model>.yaml < dataset/<dataset>.yaml < protocol/<protocol>.yaml
            < config files < config_dict < options

A wrong key or value is reported here, before any work begins. :class:`~recbole_idp.config.strict.StrictConfig` turns
the result into RecBole's ``Config``.
"""

from __future__ import annotations

import copy
import os
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import yaml

from recbole_idp import registry
from recbole_idp.config.checks import check_layer, check_together
from recbole_idp.config.classes import CLASS_DEFAULTS
from recbole_idp.config.columns import following
from recbole_idp.config.declarations import declaring_groups, settings_of
from recbole_idp.config.layers import (
    COMMAND_LINE,
    CONFIG_DICT,
    Layer,
    parse_yaml,
    protocol_layers,
    read_file,
    recbole_layers,
)
from recbole_idp.config.model_defaults import model_layers
from recbole_idp.config.support import check_supported, needs_negatives
from recbole_idp.errors import UserError

Default = TypeVar("Default", str, None)
DEFAULT_MODEL = "IDP"
DEFAULT_DATASET = "ml-100k-target"
DEFAULT_RUN = "default run"


class Resolved(NamedTuple):
    """The merged layers.

    Attributes:
        values: Value of every key, of plain types only.
        origins: Origin of every key: a file, "config_dict", "command line" or "default run".
        defaults: The values before the user's layers.
        layers: The user's layers, checked.
    """

    values: dict[str, Any]
    origins: dict[str, str]
    defaults: dict[str, Any]
    layers: list[Layer]


def resolve(layers: list[Layer], model: str | None = None, dataset: str | None = None) -> Resolved:
    """Check the user's layers, and merge them over the defaults of RecBole and the plugin.

    Args:
        layers: The user's values, lowest first.
        model: The model's name; None: the layers name it, or else IDP.
        dataset: The dataset's name; None: the layers name it, or else the packaged default run.

    Returns:
        Values and their origins.

    Raises:
        UserError: A model or key is unknown, or a value is wrong.
    """
    model, model_origin = _named("model", model, layers, DEFAULT_MODEL)
    dataset, dataset_origin = _named("dataset", dataset, layers, DEFAULT_DATASET)
    registry.check_model(model)
    protocol, _ = _named("protocol", None, layers, None)
    below = recbole_layers(model, dataset) + model_layers(model, dataset) + protocol_layers(protocol)
    settings = settings_of(model, below)
    checked = [layer._replace(values=check_layer(layer, settings)) for layer in layers]
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for layer in below:
        _put(layer, values, origins)
    defaults = copy.deepcopy(values)
    for layer in checked:
        _put(layer, values, origins)
    values.update(model=model, dataset=dataset)
    origins.update(model=model_origin, dataset=dataset_origin)
    if not any("load_col" in layer.values for layer in checked):
        values["load_col"] = following(values.get("load_col"), defaults, values)
        # Whoever makes the configuration again from what was given needs the same columns.
        defaults["load_col"] = copy.deepcopy(values["load_col"])
    if values["predicts"] == "profile":
        for key, value in CLASS_DEFAULTS.items():
            # Ranks of classes say little; whoever wants them names them.
            if not any(key in layer.values for layer in checked):
                values[key] = defaults[key] = copy.deepcopy(value)
    check_supported(model, checked, values, defaults)
    if needs_negatives(model, values):
        _put(_negatives(below), values, origins)
    if values.get("pretrain_model"):
        registry.check_model(values["pretrain_model"])
    check_together(values)
    for group in declaring_groups(model):
        registry.resolve(group).check_together(values)
    return Resolved(values, origins, defaults, checked)


def _negatives(layers: Iterable[Layer]) -> Layer:
    """Return RecBole's own default for ``train_neg_sample_args``, which the plugin's lies over."""
    key = "train_neg_sample_args"
    return next(Layer(layer.origin, {key: layer.values[key]}) for layer in layers if layer.values.get(key))


def user_layers(
    config_files: Iterable[str | Path] | None = (),
    config_dict: dict[str, Any] | None = None,
    command_line: dict[str, Any] | None = None,
) -> list[Layer]:
    """Collect the user's layers.

    Args:
        config_files: YAML files, lowest first.
        config_dict: Values from a program.
        command_line: Values of the command line's options, as text or already typed.

    Returns:
        One layer each, lowest first.
    """
    layers = [Layer(str(path), read_file(path)) for path in config_files or ()]
    layers.append(Layer(CONFIG_DICT, dict(config_dict or {})))
    layers.append(Layer(COMMAND_LINE, dict(command_line or {})))
    return [layer for layer in layers if layer.values]


def option_layers(options: dict[str, str | bool]) -> list[Layer]:
    """Collect the layers of a command line, with those of ``--config_files``.

    Args:
        options: The options as ``arguments.parse_arguments`` returns them.

    Returns:
        The user's layers, lowest first.
    """
    options = dict(options)
    return user_layers(split_files(options.pop("config_files", None)), command_line=options)


def _put(layer: Layer, values: dict[str, Any], origins: dict[str, str]) -> None:
    """Merge a layer into ``values``; missing keys of eval_args keep their values.

    RecBole would fall back to a random split there, which no sequential model accepts.
    """
    for key, value in layer.values.items():
        if key == "eval_args" and isinstance(value, dict):
            value = {**values.get(key, {}), **value}
        values[key] = copy.deepcopy(value)
        origins[key] = layer.origin


def _named(key: str, given: str | None, layers: Sequence[Layer], default: Default) -> tuple[str | Default, str]:
    """Return the name of what decides on the default layers, such as the model, and its origin."""
    if given is not None:
        return given, CONFIG_DICT
    for layer in reversed(layers):
        if layer.values.get(key) is not None:
            name = layer.values[key]
            if not isinstance(name, str) or not name:
                raise UserError(f"{key} must be a name, but is {name!r} {layer.place}")
            return name, layer.origin
    return default, DEFAULT_RUN


def split_files(value: str | list[str] | bool | None) -> list[str]:
    """Split the text of ``--config_files``: at blanks outside quotation marks, at commas, or a list as in YAML.

    Args:
        value: The value on the command line.

    Returns:
        The file names, in order.

    Raises:
        UserError: A quotation mark or a bracket is not closed, or no file is named.
    """
    if value is None or isinstance(value, list):
        return value or []
    if isinstance(value, bool):
        raise UserError('--config_files names no file: write --config_files="a.yaml b.yaml"')
    if _is_file(value):
        return [value]
    if value.strip().startswith("["):
        return _listed_files(value)
    try:
        names = shlex.split(value)
    except ValueError as error:
        raise UserError(f"--config_files={value}: {str(error).lower()}: close the quotation mark") from None
    parts = [[name] if _is_file(name) else name.split(",") for name in names]
    return [name for some in parts for name in some if name]


def _listed_files(text: str) -> list[str]:
    """Return the file names of a list as in YAML."""
    try:
        names = parse_yaml(text)
    except (yaml.YAMLError, ValueError):
        names = None
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise UserError(f"--config_files={text} is no list of files: write [a.yaml, b.yaml]")
    return names


def _is_file(name: str) -> bool:
    """Return whether there is a file of a name, which may be no possible one."""
    try:
        return os.path.isfile(name)
    except ValueError:
        return False
