"""Let the columns that are read follow the keys that name an event's columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

USUAL_NAMES = {
    "USER_ID_FIELD": "user_id",
    "ITEM_ID_FIELD": "item_id",
    "TIME_FIELD": "timestamp",
    "RATING_FIELD": "rating",
}
"""RecBole's default of each key that names a column of an event."""


def following(load_col: Any, defaults: Mapping[str, Any], values: Mapping[str, Any]) -> Any:
    """Return the default of ``load_col`` under the names that an event's columns have.

    Args:
        load_col: The columns of each file, by default.
        defaults: The defaults of the keys that name columns.
        values: Their values.

    Returns:
        The columns of each file, renamed; anything else than a map of lists unchanged.
    """
    names = {**_named(USUAL_NAMES, values), **_named(defaults, values)}
    if not isinstance(load_col, dict):
        return load_col
    return {
        file: [names.get(column, column) for column in columns] if isinstance(columns, list) else columns
        for file, columns in load_col.items()
    }


def _named(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, str]:
    """Return the new name of each column by its old one."""
    return {old[key]: new[key] for key in USUAL_NAMES if old.get(key) and new.get(key)}
