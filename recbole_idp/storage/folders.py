"""Make folders whole or not at all."""

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from recbole_idp.errors import UserError
from recbole_idp.storage.files import refusing_failed_writes, temporary_beside, umask


@contextlib.contextmanager
def new_folder(folder: str | Path, note: str | None = None) -> Iterator[Path]:
    """Yield a temporary folder beside ``folder``, which takes its place if the block ends without an exception.

    If another process makes the same folder meanwhile, the first one stays: both hold the same.

    Args:
        folder: The folder to make.
        note: The name of a file that the folder may already hold, alone; it is replaced together with the folder.

    Yields:
        An empty folder for the block to fill.

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
            open_to_others(building)
            _put_in_place(building, folder, note)
    finally:
        shutil.rmtree(building, ignore_errors=True)


@contextlib.contextmanager
def only_folder(folder: str | Path, note: str | None = None) -> Iterator[Path]:
    """Yield a temporary folder as :func:`new_folder` does; no folder of another process is taken for this one.

    Args:
        folder: The folder to make.
        note: As there.

    Yields:
        An empty folder for the block to fill.

    Raises:
        UserError: The folder cannot be written, the disk is full, or another process has made the folder meanwhile.
    """
    with new_folder(folder, note) as building:
        yield building
        # A folder keeps its number where it is renamed.
        made = os.stat(building)
    if not os.path.samestat(made, os.stat(folder)):
        raise UserError(f"another process has made {folder} meanwhile: use it, or choose another folder")


def open_to_others(folder: Path) -> None:
    """Give a folder and all in it the permissions that the umask leaves: some libraries write for the owner alone.

    Args:
        folder: The folder.
    """
    mask = umask()
    for path in (folder, *folder.rglob("*")):
        path.chmod((0o777 if path.is_dir() else 0o666) & ~mask)


def _put_in_place(building: Path, folder: Path, note: str | None) -> None:
    """Rename ``building`` to ``folder``; replace an older note, never data."""
    if note is not None and folder.is_dir() and os.listdir(folder) == [note]:
        (folder / note).unlink()
    try:
        os.rename(building, folder)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
