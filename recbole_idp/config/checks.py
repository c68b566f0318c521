"""Which keys exist, which values they take, and the one line that says so when they are misspelt or misused."""

import math
import re
from typing import Any, NamedTuple

import yaml

from recbole_idp.config.layers import COMMAND_LINE, CONFIG_DICT, parse_yaml
from recbole_idp.config.schema import CHOICES, ELEMENTS, EXCLUDED, LIMITS, SETS, TYPES, UNLISTED
from recbole_idp.errors import UserError, nearest

_EVAL_ARGS = ("split", "order", "group_by", "mode")
# RecBole's valid_only leaves nothing to test on.
_LEAVE_ONE_OUT = ("valid_and_test", "test_only")
_CLIPPING = ("max_norm", "norm_type", "error_if_nonfinite")
_NUMBER = r"[-+]?(?:\d+\.?\d*(?:[eE][-+]?\d+)?|inf)"
_INTERVAL = rf"\s*[\[(]\s*{_NUMBER}\s*,\s*{_NUMBER}\s*[\])]\s*"
_INTERVALS = re.compile(rf"{_INTERVAL}(?:;{_INTERVAL})*")
_EMPTY = ("", "~", "null", "Null", "NULL", "None")

_NAMES = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    list: "a list",
    dict: "a map such as {a: 1}",
    None: "None (~)",
}


class KeyType(NamedTuple):
    """What a key takes.

    Attributes:
        types (tuple): Accepted types, with ``None`` where the key may be empty; empty: anything.
        element (type | None): The type of a list's elements, where it is known.
        example (Any): A default value to show, or None.
    """

    types: tuple
    element: Any
    example: Any


def key_types(layers):
    """Derives what every key takes from its default values.

    Args:
        layers (list[Layer]): The YAML layers below the user's.

    Returns:
        dict[str, KeyType]: The valid keys.
    """
    defaults = {key: [] for key in UNLISTED}
    for layer in layers:
        for key, value in layer.values.items():
            defaults.setdefault(key, []).append(value)
    return {key: _key_type(key, values) for key, values in defaults.items()}


def check_layer(layer, types):
    """Checks one layer of the user's values and brings them to the types of their keys.

    Text of the command line is read as YAML where its key does not take text: ``[5, 10]`` and ``5,10`` are lists.

    Args:
        layer (Layer): The values.
        types (dict[str, KeyType]): The valid keys.

    Returns:
        dict[str, Any]: The converted values.

    Raises:
        UserError: A key is unknown or a value does not suit its key.
    """
    return {key: _convert(key, value, known_key(key, types, layer), layer) for key, value in layer.values.items()}


def known_key(key, valid, layer):
    """Returns ``valid[key]``, or raises a UserError that names the nearest valid key.

    Args:
        key (str): What was written.
        valid (dict[str, Any]): The valid keys.
        layer (Layer): Where it stands.
    """
    if key in valid:
        return valid[key]
    dashes = "--" if layer.origin == COMMAND_LINE else ""
    matches = nearest(key, valid)
    # A task with keys of its own has few; a configuration has more than a line can hold.
    every = f"it takes {', '.join(dashes + name for name in valid)}" if len(valid) < 20 else "--dry_run shows every key"
    remedy = f"did you mean {dashes}{matches[0]}?" if matches else every
    raise UserError(f"unknown key {dashes}{key} {layer.place}: {remedy}")


def check_together(values):
    """Checks values that must fit each other.

    Args:
        values (dict[str, Any]): The resolved configuration.

    Raises:
        UserError: Two values contradict each other.
    """
    name, _, cutoff = values["valid_metric"].partition("@")
    metrics = {metric.lower() for metric in values["metrics"]}
    if name.lower() not in metrics:
        raise UserError(f"valid_metric {values['valid_metric']} is none of metrics: add {name} to metrics")
    if cutoff and (not cutoff.isdigit() or int(cutoff) not in values["topk"]):
        raise UserError(f"valid_metric {values['valid_metric']} has no cut-off of topk {values['topk']}: add it there")
    for key in ("popularity_buckets", "history_buckets"):
        if values[key] != sorted(values[key]):
            raise UserError(f"{key} {values[key]} does not rise: write where buckets begin, the lowest first")
    width, heads = values.get("hidden_size"), values.get("n_heads")
    if width and heads and width % heads:
        raise UserError(f"hidden_size {width} is no multiple of n_heads {heads}: choose a width that n_heads divides")
    if values.get("few_shot") and (share := values["train_users_share"]) != 1:
        raise UserError(f"few_shot studies several shares, and train_users_share is {share}: give one of the two")


def _key_type(key, values):
    types = TYPES.get(key) or tuple({None if value is None else type(value): 0 for value in values})
    if types == (None,):
        types = ()
    filled = [value for value in values if value is not None]
    elements = {type(element) for value in filled if isinstance(value, list) for element in value}
    element = ELEMENTS.get(key) or (elements.pop() if len(elements) == 1 else None)
    return KeyType(types, element, filled[-1] if filled else None)


def _convert(key, value, kind, layer):
    """Returns ``value`` in the form that its key takes."""
    if isinstance(value, str) and layer.origin in (COMMAND_LINE, CONFIG_DICT):
        value = _read_text(value, kind)
    if isinstance(value, tuple):
        value = list(value)
    if list in kind.types and not isinstance(value, (list, dict, type(None))):
        value = [_read(part.strip()) for part in value.split(",")] if isinstance(value, str) else [value]
    value = _check_type(key, value, kind.types, layer, kind.example)
    if isinstance(value, str) and "\0" in value:
        raise UserError(f"{key} has a NUL character {layer.place}: write it anew")
    if isinstance(value, list) and kind.element is not None:
        value = [_check_type(f"each of {key}", element, (kind.element,), layer) for element in value]
    _check_limits(key, value, layer)
    if key in _FORMS and value is not None:
        _FORMS[key](key, value, layer)
    value = _check_choice(key, value, layer)
    if key in SETS and value is not None:
        _check_set(key, value, layer)
    return value


def _read_text(text, kind):
    """Reads text as YAML, unless its key takes text: then 2018 is a name and no number."""
    if text in _EMPTY:
        return None
    value = _read(text)
    return text if str in kind.types and not isinstance(value, str) else value


def _read(text):
    """Reads text as YAML; what is none stays text, and the type check says what is wanted instead."""
    try:
        return parse_yaml(text)
    except (yaml.YAMLError, ValueError):
        return text


def _check_type(key, value, types, layer, example=None):
    if not types or (None if value is None else type(value)) in types:
        return value
    if float in types and type(value) is int:
        return float(value)
    wanted = " or ".join(_NAMES.get(kind, str(kind)) for kind in types)
    if isinstance(example, (int, float)) and not isinstance(example, bool):
        wanted += f" such as {example}"
    raise UserError(f"{key} must be {wanted}, but is {value!r} {layer.place}")


def _check_choice(key, value, layer):
    """Returns ``value`` with every word spelt as in ``CHOICES``."""
    choices = CHOICES.get(key)
    if choices is None or value is None:
        return value
    if isinstance(value, list):
        return [_choose(key, word, choices, layer) for word in value]
    return _choose(key, value, choices, layer)


def _choose(key, word, choices, layer):
    for choice in choices:
        if str(word).lower() == choice.lower():
            return choice
    remedy = f"did you mean {match[0]}?" if (match := nearest(word, choices)) else "choose one of these"
    raise UserError(f"{key} takes {', '.join(choices)}, but is {word!r} {layer.place}: {remedy}")


def _check_limits(key, value, layer):
    low, high = LIMITS.get(key, (None, None))
    for number in value if isinstance(value, list) else [value]:
        if not isinstance(number, (int, float)) or (low is None and high is None):
            continue
        # "not within" rather than "outside", so that nan is refused as well
        if not ((low is None or number >= low) and (high is None or number <= high)):
            limits = f"from {low} to {high}" if high is not None else f"{low} or more"
            raise UserError(f"{key} must be {limits}, but is {number} {layer.place}")
        if number == EXCLUDED.get(key):
            side = "more" if number == low else "less"
            raise UserError(f"{key} must be {side} than {number}, but is {number} {layer.place}")
        if not math.isfinite(number):
            raise UserError(f"{key} must be a finite number, but is {number} {layer.place}")


def _check_set(key, value, layer):
    if not value:
        raise UserError(f"{key} is empty {layer.place}: name at least one, or leave {key} away")
    for element in value:
        if value.count(element) > 1:
            raise UserError(f"{key} has {element} twice {layer.place}: name it once")


def _check_intervals(key, value, layer):
    """Checks intervals of numbers, of which RecBole would pass over the wrong ones."""
    if not _INTERVALS.fullmatch(value):
        raise UserError(f"{key} must be an interval such as '[5,inf)', but is {value!r} {layer.place}")


def _check_val_interval(key, value, layer):
    for field, interval in value.items():
        if isinstance(interval, str):
            _check_intervals(f"{key} of {field}", interval, layer)
        elif not isinstance(interval, list):
            raise UserError(
                f"{key} of {field} must be an interval such as '[3,5]' or a list of tokens, but is {interval!r} "
                f"{layer.place}"
            )


def _check_no_pickle(key, value, layer):
    """Refuses RecBole's keys for pickled data: opening one would run whatever it says."""
    if value:
        raise UserError(f"{key} is {value} {layer.place}: pickles are neither read nor written here, leave it away")


def _check_clipping(key, value, layer):
    for name in value:
        _known_part(name, _CLIPPING, layer._replace(origin=f"{key} {layer.place}"))
    norm = value.get("max_norm")
    if isinstance(norm, bool) or not isinstance(norm, (int, float)) or not norm > 0:
        raise UserError(f"{key} needs a positive max_norm such as {{max_norm: 5}}, but is {value} {layer.place}")


def _known_part(name, valid, inner):
    """Raises where a map inside of a value has a key that is none of ``valid``."""
    if name not in valid:
        match = nearest(name, valid)
        remedy = f"did you mean {match[0]}?" if match else f"it takes {', '.join(valid)}"
        raise UserError(f"unknown key {name} {inner.place}: {remedy}")


def _check_eval_args(key, value, layer):
    inner = layer._replace(origin=f"{key} {layer.place}", values=value)
    for name in value:
        _known_part(name, _EVAL_ARGS, inner)
    if "order" in value:
        # A sequence is an order in time: RecBole refuses RO for every sequential model as well.
        value["order"] = _choose("order", value["order"], ("TO",), inner)
    if value.get("group_by") is not None:
        value["group_by"] = _choose("group_by", value["group_by"], ("user", "none"), inner)
    if "split" in value:
        _check_split(value["split"], inner)
    mode = value.get("mode", "full")
    for word in mode.values() if isinstance(mode, dict) else [mode]:
        if word not in ("full", "labeled") and not re.fullmatch(r"(uni|pop)[1-9]\d*", str(word)):
            raise UserError(f"mode takes full, labeled, uniN or popN such as uni100, but is {word!r} {inner.place}")


def _check_split(value, inner):
    if not isinstance(value, dict) or len(value) != 1:
        raise UserError(f"split must be a map such as {{LS: valid_and_test}}, but is {value!r} {inner.place}")
    ((method, parts),) = value.items()
    inner = inner._replace(origin=f"split of {inner.origin}")
    _known_part(method, ("LS", "RS", "TS"), inner)
    if method == "LS":
        value[method] = _choose("LS", parts, _LEAVE_ONE_OUT, inner)
        return
    numbers = isinstance(parts, list) and all(type(part) in (int, float) and part >= 0 for part in parts)
    if not numbers or len(parts) != 3 or not parts[0] > 0 or not parts[2] > 0:
        raise UserError(f"{method} must be three shares such as [0.8, 0.1, 0.1], but is {parts!r} {inner.place}")


# Values with a form of their own.
_FORMS = {
    **dict.fromkeys(("save_dataset", "save_dataloaders"), _check_no_pickle),
    **dict.fromkeys(("dataset_save_path", "dataloaders_save_path"), _check_no_pickle),
    "clip_grad_norm": _check_clipping,
    "eval_args": _check_eval_args,
    "item_inter_num_interval": _check_intervals,
    "user_inter_num_interval": _check_intervals,
    "val_interval": _check_val_interval,
    "targeted_interval": _check_val_interval,
}
