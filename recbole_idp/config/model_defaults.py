"""Defaults of a model: its YAML file and its registration, over those of the models that it extends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recbole_idp import registry
from recbole_idp.errors import UserError

if TYPE_CHECKING:
    from recbole_idp.config.layers import Layer
    from recbole_idp.registry import Registration


def model_layers(model: str, dataset: str) -> list[Layer]:
    """Return the plugin's YAML layers for a model of any package, lowest first.

    Args:
        model: A model's name.
        dataset: A dataset's name.

    Returns:
        The layers of overall.yaml, of the models that it extends, its own and the dataset's, if they exist.

    Raises:
        UserError: The model extends one that is not registered, or itself.
    """
    from recbole_idp.config.layers import plugin_layers

    files = {name: registration.properties for name, registration in lineage(model).items()}
    # A model of RecBole has no registration, but may have a file.
    return plugin_layers(files or {model: None}, dataset)


def lineage(model: str) -> dict[str, Registration]:
    """Return the registrations of a model and of those that it extends.

    Args:
        model: A model's name.

    Returns:
        By name, lowest first; empty for one of RecBole's models.

    Raises:
        UserError: The model extends one that is not registered, or itself.
    """
    known = registry.models()
    if model not in known:
        return {}
    found = {}
    while model is not None:
        registration = registry.described(known[model])
        found[model], extended = registration, registration.extends
        if extended is not None and (extended not in known or extended in found):
            raise UserError(f"model {model} extends {extended}: name a registered model that does not extend {model}")
        model = extended
    return dict(reversed(found.items()))
