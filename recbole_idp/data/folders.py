"""Data set folders that appear whole or not at all, and the note in each on where it came from."""

import json
import os
from pathlib import Path

from recbole_idp.errors import UserError
from recbole_idp.storage.files import write_json

SOURCE_FILE = "source.json"
_LONGEST_NAME = 255


def dataset_folder(root, name):
    """Returns ``root/name``, the folder of the data set ``name``.

    Raises:
        UserError: ``name`` is a path, which would be looked for, and written, outside of ``root``.
    """
    folder = Path(root) / name
    if not name or folder.name != name or name.startswith("."):
        raise UserError(f"{name!r} is no data set's name: give its folder as data_path, and a name without slashes")
    if len(os.fsencode(f"{name}.inter")) > _LONGEST_NAME:
        raise UserError(f"{name!r} is too long for a data set's name: no file could have it")
    return folder


def write_source(folder, **facts):
    """Notes in ``folder`` where its files came from, as ``source.json``."""
    write_json(Path(folder) / SOURCE_FILE, facts)


def read_source(folder):
    """Returns what :func:`write_source` noted in ``folder``; empty where there is no readable note."""
    try:
        facts = json.loads((Path(folder) / SOURCE_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}
