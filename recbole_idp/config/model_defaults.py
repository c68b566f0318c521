"""What a model brings: its YAML file and its declared settings, over those of the models that it extends."""

from recbole_idp import registry
from recbole_idp.errors import UserError


def model_layers(model, dataset):
    """Returns the plugin's YAML layers for a model of any package, lowest first.

    Args:
        model (str): A model's name.
        dataset (str): A dataset's name.

    Returns:
        list[Layer]: overall.yaml, the files of the models that it extends, its own and the dataset's, where they exist.

    Raises:
        UserError: The model extends one that is not registered, or itself.
    """
    from recbole_idp.config.layers import plugin_layers

    files = {name: registration.properties for name, registration in lineage(model).items()}
    # A model of RecBole has no registration, but may have a file.
    return plugin_layers(files or {model: None}, dataset)


def lineage(model):
    """Returns the registrations of a model and of those that it extends.

    Args:
        model (str): A model's name.

    Returns:
        dict[str, Registration]: By name, lowest first; empty for one of RecBole's models.

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
