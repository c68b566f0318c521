"""Sweep a key: a row of the board for each model and each value, and a curve over the values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from recbole_idp.config.declarations import model_settings
from recbole_idp.config.setting import Affects
from recbole_idp.errors import UserError, nearest
from recbole_idp.report.board.names import value_text

_BETWEEN = " · "
_FIXED = ("model", "dataset", "seed", "seeds", "variants")


class Point(NamedTuple):
    """The place of a row in a sweep.

    Attributes:
        of: The row that was asked for.
        value: The value of the key.
    """

    of: str
    value: Any


def sweep_rows(
    models: Mapping[str, str], own: Mapping[str, Any], sweep: Mapping[str, Any], dataset: str
) -> tuple[dict[str, dict[str, Any]], dict[str, Point]]:
    """Make the rows of a sweep, with options of their own.

    Args:
        models: Name of each row that was asked for -> its model.
        own: The options of rows of their own.
        sweep: The key -> its values.
        dataset: A dataset, whose YAML files may add keys.

    Returns:
        Name of each row -> its options, with its model; and the place of those that the key belongs to. A model that
        has no such key has one row, beside which the others can be seen.

    Raises:
        UserError: There is not one key with several values that differ, or no model has the key.
    """
    key, values = _checked(sweep)
    rows: dict[str, dict[str, Any]] = {}
    points: dict[str, Point] = {}
    known: dict[str, Any] = {}
    for row, model in models.items():
        settings = model_settings(model, dataset)
        known |= settings
        options = {**own.get(row, {}), "model": model}
        if key in options:
            raise UserError(f"model_options gives {row} {key}, and the sweep gives it others: give one of the two")
        if key not in settings or settings[key].affects in (Affects.NOTHING, Affects.OUTPUT):
            rows[row] = options
            continue
        for value in values:
            name = f"{row}{_BETWEEN}{key}={value_text(value)}"
            rows[name], points[name] = {**options, key: value}, Point(row, value)
    if not points:
        close = nearest(key, known)
        hint = f" (did you mean {close[0]}?)" if close else ""
        raise UserError(f"sweep names {key}{hint}, on which no number of {', '.join(models)} depends: name another key")
    return rows, points


def _checked(sweep: Mapping[str, Any]) -> tuple[str, list[Any]]:
    """Return key and values of a sweep."""
    if len(sweep) != 1:
        raise UserError("sweep has to name one key, with its values: write sweep as {top_m: [1, 3, 10]}")
    ((key, values),) = sweep.items()
    if not isinstance(values, list) or len(values) < 2:
        raise UserError(f"sweep gives {key} {values}, and needs several values: write a list such as [1, 3, 10]")
    if len({value_text(value) for value in values}) < len(values):
        raise UserError(f"sweep gives {key} a value twice: {', '.join(map(value_text, values))}")
    if key in _FIXED:
        raise UserError(f"sweep cannot change {key}: give several with --{key}=A,B on a leaderboard")
    return key, values
