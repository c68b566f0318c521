"""Folders of data sets, and the note in each on where its files came from."""

import os
from pathlib import Path
from typing import Any

from recbole_idp.errors import UserError
from recbole_idp.storage.files import parse_json, write_json

SOURCE_FILE = "source.json"
CLOCK = "clock"
"""What ``source.json`` calls the clock of timestamps that are no real times: those of one clock can be compared."""
_LONGEST_NAME = 255


def dataset_folder(root: str | Path, name: str) -> Path:
    """Return ``root/name``, the folder of the data set ``name``.

    Raises:
        UserError: ``name`` is a path, which would lead outside of ``root``, or is too long.
    """
    folder = Path(root) / name
    if not name or folder.name != name or name.startswith("."):
        raise UserError(f"{name!r} is no data set's name: {_named_by(Path(root), name)}")
    if len(os.fsencode(f"{name}.inter")) > _LONGEST_NAME:
        raise UserError(f"{name!r} is too long for a data set's name: no file could have it")
    return folder


def _named_by(root: Path, path: str) -> str:
    """Return how to name the data set that lies at a path, from here or from ``root``."""
    place = Path(path)
    if not place.is_absolute() and not place.exists() and (root / place).exists():
        place = root / place
    if place.suffix in (".inter", ".item"):
        place = place.parent
    if not place.name or place.name.startswith("."):
        return "give its folder as data_path, and a name without slashes"
    if str(place) == place.name:
        return f"write --dataset={place.name}"
    folder = str(place.parent)
    return f"give the folder above it as data_path, and a name without slashes: {place.name} in {folder}"


def write_source(folder: str | Path, **facts: Any) -> None:
    """Write a note on where the files in ``folder`` came from, as ``source.json``."""
    write_json(Path(folder) / SOURCE_FILE, facts)


def read_source(folder: str | Path) -> dict[str, Any]:
    """Return what :func:`write_source` noted in ``folder``; empty if there is no readable note."""
    try:
        facts = parse_json(Path(folder) / SOURCE_FILE)
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}


def clock_of(folder: str | Path) -> str | None:
    """Return the name of the clock of the timestamps in ``folder``; None where none is noted, as for real times."""
    clock = read_source(folder).get(CLOCK)
    return clock if isinstance(clock, str) else None
