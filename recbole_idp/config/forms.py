"""Check values with a syntax of their own: eval_args, intervals, clipping, keys for pickles.

The functions are pydantic validators: each takes a value of the right type, and returns it or raises a
``PydanticCustomError``. Its message is completed by the name of the key and the place of the value.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from pydantic_core import PydanticCustomError

from recbole_idp.errors import nearest

MOST_CANDIDATES = 10_000
"""Candidates that may be drawn for a target: more take longer than ranking all items of most catalogues."""

_EVAL_ARGS = ("split", "order", "group_by", "mode")
# RecBole's valid_only leaves nothing to test on.
_LEAVE_ONE_OUT = ("valid_and_test", "test_only")
_CLIPPING = ("max_norm", "norm_type", "error_if_nonfinite")
_NUMBER = r"[-+]?(?:\d+\.?\d*(?:[eE][-+]?\d+)?|inf)"
_INTERVAL = rf"\s*[\[(]\s*{_NUMBER}\s*,\s*{_NUMBER}\s*[\])]\s*"
_INTERVALS = re.compile(rf"{_INTERVAL}(?:;{_INTERVAL})*")


def wrong(says: str) -> PydanticCustomError:
    """Make the error for a part of a key's value.

    Args:
        says: The message, with ``{key}`` and ``{place}`` for the key and "on the command line" or "in FILE".

    Returns:
        The error, for the caller to raise.
    """
    return PydanticCustomError("form", "{says}", {"says": says})


def check_intervals(value: str) -> str:
    """Check intervals of numbers; RecBole would silently ignore wrong ones."""
    if not _INTERVALS.fullmatch(value):
        raise wrong(f"{{key}} must be an interval such as '[5,inf)', but is {_quoted(value)} {{place}}")
    return value


def check_field_intervals(value: dict[str, Any]) -> dict[str, Any]:
    """Check the intervals, or lists of tokens, of several columns."""
    for field, interval in value.items():
        if isinstance(interval, str):
            if not _INTERVALS.fullmatch(interval):
                raise wrong(
                    f"{{key}} of {field} must be an interval such as '[5,inf)', but is {_quoted(interval)} {{place}}"
                )
        elif not isinstance(interval, list):
            raise wrong(
                f"{{key}} of {field} must be an interval such as '[3,5]' or a list of tokens, but is "
                f"{_quoted(interval)} {{place}}"
            )
    return value


def refuse_pickles(value: Any) -> Any:
    """Refuse RecBole's keys for pickled data: unpickling can run any code."""
    if value:
        raise wrong(f"{{key}} is {value} {{place}}: pickles are neither read nor written here, remove it")
    return value


def read_escapes(value: str) -> str:
    """Read a tab that a shell has left as a backslash and a letter."""
    return value.replace("\\t", "\t")


def check_clipping(value: dict[str, Any]) -> dict[str, Any]:
    """Check the arguments of ``clip_grad_norm_``."""
    for name in value:
        _check_part(name, _CLIPPING, "in {key} {place}")
    norm = value.get("max_norm")
    if isinstance(norm, bool) or not isinstance(norm, (int, float)) or not norm > 0:
        raise wrong(f"{{key}} needs a positive max_norm such as {{{{max_norm: 5}}}}, but is {_quoted(value)} {{place}}")
    return value


def check_eval_args(value: dict[str, Any]) -> dict[str, Any]:
    """Check RecBole's map of how data are split and evaluated; missing keys keep their values."""
    value = dict(value)
    inner = "in {key} {place}"
    for name in value:
        _check_part(name, _EVAL_ARGS, inner)
    if "order" in value:
        # A sequence is an order in time: RecBole refuses RO for every sequential model as well.
        value["order"] = _choose("order", value["order"], ("TO",), inner)
    if value.get("group_by") is not None:
        value["group_by"] = _choose("group_by", value["group_by"], ("user", "none"), inner)
    if "split" in value:
        value["split"] = _check_split(value["split"], inner)
    mode = value.get("mode", "full")
    for word in mode.values() if isinstance(mode, dict) else [mode]:
        if word in ("full", "labeled"):
            continue
        if not (found := re.fullmatch(r"(?:uni|pop)([1-9]\d*)", str(word))):
            raise wrong(f"mode takes full, uniN, popN such as uni100, or labeled, but is {_quoted(word)} {inner}")
        if len(found[1]) > 5 or int(found[1]) > MOST_CANDIDATES:
            raise wrong(
                f"mode is {word} {inner}, more than {MOST_CANDIDATES:,} candidates: full ranks all items faster"
            )
    return value


def _check_split(value: Any, inner: str) -> dict[str, Any]:
    """Check the split of eval_args."""
    if not isinstance(value, dict) or len(value) != 1:
        raise wrong(f"split must be a map such as {{{{LS: valid_and_test}}}}, but is {_quoted(value)} {inner}")
    ((method, parts),) = value.items()
    inner = f"in split of {inner.removeprefix('in ')}"
    _check_part(method, ("LS", "RS", "TS"), inner)
    if method == "LS":
        return {method: _choose("LS", parts, _LEAVE_ONE_OUT, inner)}
    numbers = isinstance(parts, list) and all(type(part) in (int, float) and part >= 0 for part in parts)
    if not numbers or len(parts) != 3 or not parts[0] > 0 or not parts[2] > 0:
        raise wrong(f"{method} must be three shares such as [0.8, 0.1, 0.1], but is {_quoted(parts)} {inner}")
    return value


def _check_part(name: str, valid: Sequence[str], inner: str) -> None:
    """Raise if a key of a map is not one of ``valid``."""
    if name not in valid:
        matches = nearest(str(name), valid)
        remedy = f"did you mean {matches[0]}?" if matches else f"it takes {', '.join(valid)}"
        raise wrong(f"unknown key {name} {inner}: {remedy}")


def choice_line(key: str, word: Any, choices: Iterable[str], place: str) -> str:
    """Return the message for a word that is not one of the choices."""
    choices = tuple(choices)
    remedy = f"did you mean {matches[0]}?" if (matches := nearest(str(word), choices)) else "choose one of these"
    return f"{key} takes {', '.join(choices)}, but is {word!r} {place}: {remedy}"


def spelt_as_declared(word: Any, choices: Iterable[str]) -> Any:
    """Return the choice that equals a word but for case; another word is returned as it is."""
    return next((choice for choice in choices if str(word).lower() == choice.lower()), word)


def _choose(key: str, word: Any, choices: Sequence[str], inner: str) -> Any:
    """Return the choice that a word names, whatever its case; raise if there is none."""
    found = spelt_as_declared(word, choices)
    if found not in choices:
        raise wrong(choice_line(key, _escaped(word), choices, inner))
    return found


def _quoted(value: Any) -> str:
    """Return a value as the line shows it, with braces that a later format leaves alone."""
    return _escaped(repr(value))


def _escaped(value: Any) -> str:
    """Escape braces, as messages are format strings."""
    return value.replace("{", "{{").replace("}", "}}") if isinstance(value, str) else value
