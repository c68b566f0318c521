"""Choose the values that decide on a result: all of them, but those that are declared not to affect it.

An undeclared setting counts: if a new key of RecBole, or a key of another package's model, changes, the result is made
again. No old result is reused by mistake.
"""

from collections.abc import Mapping
from typing import Any

from recbole_idp.config.declarations import affected, model_settings, says_nothing
from recbole_idp.config.setting import Affects


def values_that_affect(values: Mapping[str, Any], model: str, what: Affects) -> dict[str, Any]:
    """Return the values that count in the fingerprint of a result.

    Args:
        values: Value of every key.
        model: The model whose declarations apply.
        what: The parts that the result depends on.

    Returns:
        The values whose settings affect any of these parts, without those that say nothing: keys of an encoder that is
        not chosen, and a choice that is the same as none.
    """
    found = {key: value for key, value in values.items() if affected(model, key) & what}
    return {key: value for key, value in found.items() if not says_nothing(model, key, values)}


# The dataset is the target; the hash of the text encoder's files counts, and not where they lie.
_NOT_OF_SOURCES = ("model", "dataset", "text_encoder", "image_encoder")


def pretraining_values(values: Mapping[str, Any], model: str, dataset: str) -> dict[str, Any]:
    """Return the values that decide, with data and text encoder, on the result of pre-training.

    Args:
        values: Value of every key; keys of the target's model may be among them.
        model: The model that is pre-trained. Keys that it does not know cannot affect it.
        dataset: The target, whose YAML files may add keys of the data.

    Returns:
        The model's name, and the values of its keys that affect pre-training.
    """
    known = model_settings(model, dataset).keys() - set(_NOT_OF_SOURCES)
    found = values_that_affect(values, model, Affects.PRETRAINING)
    # A key without a value is the same as a key that is not there.
    given = {key: value for key, value in found.items() if key in known and value is not None}
    return {**given, "model": model}
