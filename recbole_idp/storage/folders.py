"""Folders that are there whole, or not at all."""

import contextlib
import errno
import os
import shutil
from pathlib import Path

from recbole_idp.storage.files import refusing_failed_writes, temporary_beside


@contextlib.contextmanager
def new_folder(folder, note=None):
    """Yields a temporary folder beside ``folder``, which takes its place if the block ends without an exception.

    Where another process makes the same folder meanwhile, the one that was first stays.

    Args:
        folder (str | Path): The folder to make.
        note (str | None): The name of a file that may be there already, alone, and is replaced with the folder.

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
            _put_in_place(building, folder, note)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _put_in_place(building, folder, note):
    """Renames ``building`` to ``folder``, over an older note but never over data."""
    if note is not None and folder.is_dir() and os.listdir(folder) == [note]:
        (folder / note).unlink()
    try:
        os.rename(building, folder)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
