"""Show the settings of a model: as a table, as Markdown for the reference pages, or as a JSON schema for editors."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from recbole_idp.config.declarations import model_settings
from recbole_idp.config.resolve import DEFAULT_DATASET
from recbole_idp.config.setting import Affects, Setting, Settings, declared_by
from recbole_idp.config.support import SUPPORT

_AFFECTS = {
    Affects.PRETRAINING: "pre-training",
    Affects.TRAINING: "training",
    Affects.EVALUATION: "evaluation",
    Affects.STUDY: "study",
    Affects.OUTPUT: "output",
}


def affects_name(affects: Affects) -> str:
    """Return what a setting affects, in words."""
    return ", ".join(name for flag, name in _AFFECTS.items() if flag in affects) or "nothing"


def rows(model: str, dataset: str = DEFAULT_DATASET) -> list[tuple[str, ...]]:
    """Return a row for each key of a model.

    Args:
        model: A model's name.
        dataset: A dataset's name, whose YAML files may add keys.

    Returns:
        Key, type, default, what it affects, and help: the model's own keys, then those of every model of the plugin,
        then RecBole's.
    """
    settings = sorted(model_settings(model, dataset).values(), key=_room)
    return [
        (
            item.name,
            item.type_name(),
            _shown(item.default),
            affects_name(item.affects),
            _what(model, item),
        )
        for item in settings
    ]


def rows_of(groups: Iterable[type[Settings]]) -> list[tuple[str, ...]]:
    """Return a row for each key of some groups: key, type, default and help."""
    found: dict[str, Setting] = {}
    for group in groups:
        found.update(declared_by(group))
    return [(item.name, item.type_name(), _shown(item.default), item.help) for item in found.values()]


def markdown(model: str, dataset: str = DEFAULT_DATASET) -> str:
    """Return the keys of a model as a Markdown table."""
    lines = ["| key | type | default | affects | what |", "| --- | --- | --- | --- | --- |"]
    for name, kind, default, affects, help in rows(model, dataset):
        cells = (f"`{name}`", kind, f"`{default}`", affects, help)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def json_schema(model: str, dataset: str = DEFAULT_DATASET) -> dict[str, Any]:
    """Return a JSON schema for configuration files of a model, as editors read it.

    Args:
        model: A model's name.
        dataset: A dataset's name.

    Returns:
        A schema that allows no other keys.
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"recbole_idp: keys of {model}",
        "type": "object",
        "properties": {item.name: _property(item) for item in model_settings(model, dataset).values()},
        "additionalProperties": False,
    }


def _what(model: str, item: Setting) -> str:
    """Return what a key means, or why it is refused with a model."""
    entry = SUPPORT.get(item.name)
    if entry is not None and not entry.works_with(model, exact=False, has_default=item.default is not None):
        return f"Refused: {entry.refused_by(model)}."
    return item.help or "RecBole's own key."


def _room(setting: Setting) -> int:
    """Return the rank of a key's group: the model's keys, the plugin's, RecBole's, undeclared ones."""
    if not setting.owner:
        return 3
    if setting.owner.endswith(".recbole_keys"):
        return 2
    return 0 if setting.owner.startswith(("recbole_idp.models", "recbole_idp.nn")) else 1


def _property(setting: Setting) -> dict[str, Any]:
    """Return the JSON schema of a setting."""
    found = setting.adapter.json_schema()
    if setting.help:
        found["description"] = setting.help
    if setting.default is not None:
        found["default"] = setting.default
    return found


def _shown(value: Any) -> str:
    """Return a default as a cell of the table."""
    return value if isinstance(value, str) and value.strip() else json.dumps(value, ensure_ascii=False)
