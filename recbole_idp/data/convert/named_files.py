"""List the files of a folder whose names are ids of items."""

from __future__ import annotations

import os
from pathlib import Path

from recbole_idp.errors import UserError


def file_names(folder: str | Path, key: str) -> list[str]:
    """Return the names of the files of a folder, in order. Links are left out: they may lead anywhere.

    Args:
        folder: The folder.
        key: The key that names it, for messages.

    Raises:
        UserError: It is no folder, or cannot be read.
    """
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if entry.is_file(follow_symlinks=False))
    except OSError as error:
        raise UserError(f"{key} {folder} is no folder that can be read ({error.strerror}): name one") from None
