"""Data set folders that appear whole or not at all, and the note in each on where it came from."""

import contextlib
import errno
import json
import os
import shutil
from pathlib import Path

from recbole_idp.errors import UserError
from recbole_idp.storage.files import refusing_failed_writes, temporary_beside, write_json

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


@contextlib.contextmanager
def new_folder(folder):
    """Yields a temporary folder beside ``folder``, which takes its place if the block ends without an exception.

    Where another process makes the same folder meanwhile, the one that was first stays.

    Args:
        folder (str | Path): The folder to make; it may hold ``source.json`` and nothing else yet.

    Yields:
        Path: An empty folder for the block to fill.

    Raises:
        UserError: The folder cannot be written, or the disk is full.
    """
    folder = Path(folder)
    building = temporary_beside(folder)
    try:
        with refusing_failed_writes(folder):
            folder.parent.mkdir(parents=True, exist_ok=True)
            building.mkdir(0o700)
            yield building
            building.chmod(0o755)
            _put_in_place(building, folder)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _put_in_place(building, folder):
    """Renames ``building`` to ``folder``, over an older note but never over data."""
    if folder.is_dir() and os.listdir(folder) == [SOURCE_FILE]:
        (folder / SOURCE_FILE).unlink()
    try:
        os.rename(building, folder)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise


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
