"""Copy the cover pictures of items into a dataset: files that are named by the items' ids."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from recbole_idp.data.convert.named_files import file_names
from recbole_idp.errors import UserError
from recbole_idp.terminal.progress import progress_bar

POSTERS = "posters"
"""The folder of pictures inside a dataset's."""
COLUMN = "poster"
"""The column of their paths."""

_PICTURES = (".jpg", ".jpeg", ".png", ".webp")
_LMDB = ("data.mdb", "lock.mdb")
_HOW = "write its pictures to files ID.jpg (docs/start/your-data.md has the lines), and name their folder"


class Covers:
    """A folder of pictures, whose files are named by item ids, as in ``v17.jpg``.

    Links in it are left out: they may lead anywhere.

    Args:
        folder: The folder.

    Raises:
        UserError: It is no folder, is an LMDB database or an array, cannot be read, or holds no picture.
    """

    def __init__(self, folder: str | Path) -> None:
        self._folder = place = Path(folder)
        if place.suffix.lower() in (".lmdb", ".mdb") or any((place / name).exists() for name in _LMDB):
            raise UserError(
                f"covers {place} is an LMDB database, whose values are pickles, which are not opened: {_HOW}"
            )
        if place.suffix.lower() in (".npy", ".npz"):
            raise UserError(f"covers {place} is an array of pictures: {_HOW}")
        self._names: dict[str, str] = {}
        for name in file_names(place, "covers"):
            stem, suffix = os.path.splitext(name)
            if suffix.lower() in _PICTURES:
                self._names.setdefault(stem, name)
        if not self._names:
            raise UserError(f"covers {place} has no file such as ID.jpg or ID.png: name the folder of the pictures")

    def check(self, items: Sequence[str]) -> None:
        """Check that there is a picture of one of some items.

        Raises:
            UserError: There is none.
        """
        if self._names.keys().isdisjoint(items):
            raise UserError(
                f"covers {self._folder} has a picture of none of the {len(items):,} items, whose ids are like "
                f"{items[0]}, and not like {next(iter(self._names))[:60]!r}: name the folder of their pictures"
            )

    def copy(self, items: Sequence[str], building: Path) -> list[str]:
        """Copy the pictures of some items into a dataset. Links on the disk would share the permissions that it gets.

        Args:
            items: The items.
            building: The folder of the dataset.

        Returns:
            The path of each item's picture inside the dataset; empty where it has none.
        """
        (building / POSTERS).mkdir()
        paths = []
        for item in progress_bar(items, desc=POSTERS):
            name = self._names.get(item)
            if name is not None:
                shutil.copyfile(self._folder / name, building / POSTERS / name, follow_symlinks=False)
            paths.append("" if name is None else f"{POSTERS}/{name}")
        return paths
