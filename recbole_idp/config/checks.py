"""Check keys and values against their declarations; errors say in one line what is wrong, where, and the remedy."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import ValidationError

from recbole_idp.config.forms import choice_line, spelt_as_declared
from recbole_idp.config.layers import COMMAND_LINE, CONFIG_DICT, Layer, parse_yaml
from recbole_idp.config.setting import Setting
from recbole_idp.config.support import RENAMED
from recbole_idp.errors import UserError, nearest

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_EMPTY = ("", "~", "null", "Null", "NULL", "None")

_OWN_VECTORS = "give the file of vectors, --text_vectors=NAME.feat1CLS"
# What other packages have, and RecBole under another name.
_ADVICE = {
    "plm_suffix": _OWN_VECTORS,
    "plm_size": _OWN_VECTORS,
    "config_file": "did you mean --config_files?",
    "config_file_list": "did you mean --config_files?",
}

_NAMES = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    list: "a list",
    dict: "a map such as {a: 1}",
    None: "None (~)",
}


def check_layer(layer: Layer, settings: dict[str, Setting]) -> dict[str, Any]:
    """Check one layer of the user's values, and convert them to the types of their keys.

    Text of the command line is read as YAML where its key does not take text: ``[5, 10]`` and ``5,10`` are lists.

    Args:
        layer: The values.
        settings: The valid keys.

    Returns:
        The converted values.

    Raises:
        UserError: A key is unknown, or a value is wrong.
    """
    return {key: _convert(value, known_key(key, settings, layer), layer) for key, value in layer.values.items()}


def known_key(key: str, valid: dict[str, Any], layer: Layer) -> Any:
    """Return ``valid[key]``; the error for an unknown key names the nearest valid one.

    Args:
        key: The key.
        valid: The valid keys.
        layer: The layer that has the key.

    Raises:
        UserError: The key is unknown.
    """
    if key in valid:
        return valid[key]
    dashes = "--" if layer.origin == COMMAND_LINE else ""
    if key in _ADVICE:
        raise UserError(f"unknown key {dashes}{key} {layer.place}: {_ADVICE[key]}")
    matches = [RENAMED[key]] if RENAMED.get(key) in valid else nearest(key, valid)
    # A task with keys of its own has few; a configuration has more than a line can hold.
    every = f"it takes {', '.join(dashes + name for name in valid)}" if len(valid) < 20 else "--dry_run shows every key"
    remedy = f"did you mean {dashes}{matches[0]}?" if matches else every
    raise UserError(f"unknown key {dashes}{key} {layer.place}: {remedy}")


def check_together(values: dict[str, Any]) -> None:
    """Check values that depend on each other.

    Args:
        values: The resolved configuration.

    Raises:
        UserError: Two values contradict each other.
    """
    width, heads = values.get("hidden_size"), values.get("n_heads")
    if width and heads and width % heads:
        raise UserError(f"hidden_size {width} is no multiple of n_heads {heads}: choose a width that n_heads divides")
    if values.get("few_shot") and (share := values["train_users_share"]) != 1:
        raise UserError(f"few_shot studies several shares, and train_users_share is {share}: give one of the two")


def _convert(value: Any, setting: Setting, layer: Layer) -> Any:
    """Return a value converted to the type of its key."""
    if isinstance(value, str) and layer.origin in (COMMAND_LINE, CONFIG_DICT):
        value = _read_text(value, setting)
    if isinstance(value, tuple):
        value = list(value)
    if list in setting.alternatives and not isinstance(value, (list, dict, type(None))):
        value = [_read(part.strip()) for part in value.split(",")] if isinstance(value, str) else [value]
    if setting.words:
        value = _spelt(value, setting.words)
    try:
        value = setting.adapter.validate_python(value)
    except ValidationError as error:
        raise UserError(_line(error.errors(include_url=False)[0], value, setting, layer)) from None
    if isinstance(value, str) and "\0" in value:
        raise UserError(f"{setting.name} has a NUL character {layer.place}: write it again")
    return value


def _read_text(text: str, setting: Setting) -> Any:
    """Read text as YAML, unless its key takes text: then 2018 is a name, not a number."""
    if text == setting.default:
        return text  # such as RecBole's "" and "None", which are texts
    if text in _EMPTY:
        return None
    value = _read(text)
    return text if str in setting.alternatives and not isinstance(value, str) else value


def _read(text: str) -> Any:
    """Read text as YAML; invalid YAML stays text, and the check of the type reports it."""
    try:
        return parse_yaml(text)
    except (yaml.YAMLError, ValueError):
        return text


def _spelt(value: Any, words: Sequence[str]) -> Any:
    """Return a word, or a list of words, as declared if only the case differs."""
    if isinstance(value, list):
        return [spelt_as_declared(word, words) for word in value]
    return spelt_as_declared(value, words) if isinstance(value, str) else value


def _line(error: ErrorDetails, value: Any, setting: Setting, layer: Layer) -> str:
    """Return the message for an error of pydantic.

    Args:
        error: The first of pydantic's errors.
        value: The whole value.
        setting: The key.
        layer: The layer that has the value.
    """
    key, place, kind = setting.name, layer.place, error["type"]
    bad, context = error["input"], error.get("ctx", {})
    # The location has the alternative of a union and the number of a list's element, and the first is left out.
    in_list = isinstance(value, list) and any(isinstance(part, int) for part in error["loc"])
    if kind == "form":
        return context["says"].format(key=key, place=place)
    if kind == "empty":
        return f"{key} is empty {place}: name at least one, or remove {key}"
    if kind == "twice":
        return f"{key} has {context['element']} twice {place}: name it once"
    if kind == "literal_error" and isinstance(bad, (str, int, float)):
        return choice_line(key, bad, setting.words, place)
    if kind in ("greater_than", "less_than", "greater_than_equal", "less_than_equal", "finite_number"):
        return f"{key} must be {_limits(bad, setting)}, but is {bad} {place}"
    return f"{'each of ' if in_list else ''}{key} must be {_wanted(setting, in_list)}, but is {bad!r} {place}"


def _limits(number: float, setting: Setting) -> str:
    """Return the limits of a number, in words."""
    schema = setting.adapter.json_schema()
    low, high, above, below = (
        _found(schema, name) for name in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
    )
    if number == above:
        return f"more than {above:g}"
    if number == below:
        return f"less than {below:g}"
    low, high = above if low is None else low, below if high is None else high
    if high is not None:
        return f"from {low:g} to {high:.10g}"
    if low is not None and not number >= low:
        return f"{low:g} or more"
    return f"{low:g} or more" if number != number else "a finite number"


def _found(schema: Any, name: str) -> Any:
    """Return the first value of a name anywhere in a JSON schema."""
    if isinstance(schema, dict):
        if name in schema:
            return schema[name]
        return next((found for part in schema.values() if (found := _found(part, name)) is not None), None)
    if isinstance(schema, list):
        return next((found for part in schema if (found := _found(part, name)) is not None), None)
    return None


def _wanted(setting: Setting, in_list: bool) -> str:
    """Return the types that a key, or each element of its list, takes, in words."""
    if in_list:
        element = Setting(setting.name, setting.element)
        return " or ".join(_NAMES.get(kind, str(kind)) for kind in element.alternatives)
    words = " or ".join(_NAMES.get(kind, str(kind)) for kind in setting.alternatives)
    example = setting.default
    return f"{words} such as {json.dumps(example)}" if type(example) in (int, float) else words
