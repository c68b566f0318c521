"""Find the parts of a sentence encoder in its folder, which has the layout of sentence-transformers.

modules.json -> names and folders of parts; a folder without it is a transformer alone
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from recbole_idp.storage.files import MOST_JSON_BYTES, parse_json
from recbole_idp.terminal.printable import printable

MODULES = "modules.json"
CONFIG = "config.json"
WEIGHTS = "model.safetensors"
TRANSFORMER = "Transformer"
PARTS = (TRANSFORMER, "Pooling", "Normalize", "Dense", "LayerNorm", "Dropout")
"""The known parts, by their names in sentence-transformers."""
WITH_WEIGHTS = (TRANSFORMER, "Dense", "LayerNorm")

_MOST_PARTS = 16
_PREFIX = r"sentence_transformers\.(?:models|base\.modules|sentence_transformer\.modules)(?:\.\w+)?\."
_TYPE = re.compile(rf"{_PREFIX}({'|'.join(PARTS)})")


class PartError(ValueError):
    """A part is not known, or has parameters that are not known. The text says which, in one line."""


def listed_parts(folder: Path) -> list[tuple[str, str]]:
    """Return name and subfolder of each part of an encoder.

    Args:
        folder: The folder; without modules.json it is a transformer alone.

    Returns:
        The parts in their order; the first one is the transformer, the only one.

    Raises:
        PartError: The list is damaged, or names a part that is not known or lies elsewhere.
    """
    if not (folder / MODULES).is_file():
        return [(TRANSFORMER, "")]
    try:
        found = [(entry["type"], entry["path"]) for entry in parse_json(folder / MODULES)]
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise PartError(f"{MODULES} is damaged") from error
    parts = [(_name(kind), _subfolder(path)) for kind, path in found]
    names, folders = [name for name, _ in parts], [path for _, path in parts]
    if not names or names[0] != TRANSFORMER or TRANSFORMER in names[1:] or len(names) > _MOST_PARTS:
        raise PartError(f"{MODULES} does not begin with the one transformer, or has more than {_MOST_PARTS} parts")
    if len(set(folders)) != len(folders):
        raise PartError(f"{MODULES} gives two parts the same folder")
    return parts


def json_object(path: Path, most_bytes: int = MOST_JSON_BYTES) -> dict[str, Any]:
    """Return an object from a JSON file of an encoder; empty where there is no file.

    Args:
        path: The file.
        most_bytes: The most bytes that it may have.

    Raises:
        PartError: It is damaged, too long, or no object.
    """
    if not path.is_file():
        return {}
    name = f"{path.parent.name}/{path.name}"
    try:
        value = parse_json(path, most_bytes)
    except (ValueError, OSError) as error:
        raise PartError(f"{name} is damaged") from error
    if not isinstance(value, dict):
        raise PartError(f"{name} is no object")
    return value


def _name(kind: Any) -> str:
    """Return the short name of a part's type."""
    found = _TYPE.fullmatch(kind) if isinstance(kind, str) else None
    if found is None:
        raise PartError(f"the part {printable(kind)[:80]} is not a known one")
    return found[1]


def _subfolder(path: Any) -> str:
    """Check the folder of a part."""
    if not isinstance(path, str) or not re.fullmatch(r"(\w[\w.-]*)?", path):
        raise PartError(f"{MODULES} points outside the folder ({printable(path)[:80]})")
    return path
