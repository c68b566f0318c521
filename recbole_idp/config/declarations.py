"""Find the settings of a model: those that every model has, its own, and those that RecBole's YAML files add."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, Any

from recbole_idp import registry
from recbole_idp.config.layers import Layer, recbole_layers
from recbole_idp.config.model_defaults import lineage, model_layers
from recbole_idp.config.setting import Affects, Setting, declared_by

if TYPE_CHECKING:
    from collections.abc import Mapping

    from recbole_idp.config.setting import Settings


def declared_settings(model: str) -> dict[str, Setting]:
    """Return the settings that are declared for a model.

    Args:
        model: A model's name, of any package.

    Returns:
        By key: those of every model, then those of the models that it extends, and its own, which may override others.
    """
    found = {}
    for group in declaring_groups(model):
        found.update(_declared_by(group))
    return found


def declaring_groups(model: str) -> list[str | type[Settings]]:
    """Return the classes that declare the settings of a model, lowest first; "module:Class" names a class."""
    own = (registration.settings for registration in lineage(model).values())
    return [group for group in (*registry.SETTINGS, *own, registry.RECBOLE_SETTINGS.get(model)) if group]


def settings_of(model: str, layers: list[Layer]) -> dict[str, Setting]:
    """Return the settings of a model: the declared ones, and those that YAML layers add.

    Args:
        model: A model's name.
        layers: The YAML layers of RecBole and the plugin.

    Returns:
        The valid keys; each default is that of the highest layer that has one.
    """
    found = declared_settings(model)
    values: dict[str, list[Any]] = {}
    for layer in layers:
        for key, value in layer.values.items():
            values.setdefault(key, []).append(value)
    shared = dict(_declared_by(registry.SHARED_SETTINGS))
    if model not in registry.models():
        shared |= _declared_by(registry.RECBOLE_PARAMETERS)
    for key, defaults in values.items():
        setting = found.get(key) or shared.get(key) or Setting.observed(key, defaults)
        filled = [value for value in defaults if value is not None]
        found[key] = dataclasses.replace(setting, default=filled[-1] if filled else None)
    return found


def model_settings(model: str, dataset: str) -> dict[str, Setting]:
    """Return the settings of a model on a dataset, whose YAML files may add some."""
    return _model_settings(model, dataset, registry.additions())


@functools.cache
def _model_settings(model: str, dataset: str, additions: int) -> dict[str, Setting]:
    """Return :func:`model_settings`, cached until a model is added, which may take the place of one of its name."""
    return settings_of(model, recbole_layers(model, dataset) + model_layers(model, dataset))


def affected(model: str, key: str) -> Affects:
    """Return what a key of a model affects; a key that is not declared affects every number."""
    setting = _affecting(model, registry.additions()).get(key)
    return Affects.ALL if setting is None else setting.affects


def says_nothing(model: str, key: str, values: Mapping[str, Any]) -> bool:
    """Return whether the value of a model's key changes nothing beside these other values."""
    setting = _affecting(model, registry.additions()).get(key)
    return setting is not None and setting.says_nothing(values)


@functools.cache
def _affecting(model: str, additions: int) -> dict[str, Setting]:
    """Return the declared settings of a model, cached until a model is added."""
    return declared_settings(model)


@functools.cache
def _declared_by(group: str | type[Settings]) -> dict[str, Setting]:
    """Return the settings of a group, cached; "module:Class" names a class."""
    return declared_by(registry.resolve(group))
