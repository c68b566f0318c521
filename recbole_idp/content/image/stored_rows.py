"""Arrays of one shape for each of many pictures, computed once and mapped into memory from files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from recbole_idp.storage.files import replacing
from recbole_idp.storage.signature import is_signed_file, sign_file
from recbole_idp.terminal.progress import progress_bar

if TYPE_CHECKING:
    from collections.abc import Callable

_BLOCK_ROWS = 256


class StoredRows:
    """One array for each of M pictures, such as its pixels, or what the lower layers of a network make of it.

    Blocks of rows are files, signed by the user: an interrupted computation loses one block.

    Args:
        folder: Folder of the blocks, named after all that they depend on.
        count: Number M of rows.
        dtype: Type of the numbers.
    """

    def __init__(self, folder: Path, count: int, dtype: type[np.generic]) -> None:
        self._folder, self._count, self._dtype = folder, count, np.dtype(dtype)
        self._blocks: list[Any] = []

    def compute(self, make: Callable[[np.ndarray], np.ndarray], show_progress: bool, what: str) -> None:
        """Compute the missing blocks and open all of them.

        Args:
            make: Computes the arrays of some rows, int64 [B] -> [B, ...].
            show_progress: Whether to draw a progress bar on standard error.
            what: What is computed, for the bar.
        """
        found = [self._open(start) for start in range(0, self._count, _BLOCK_ROWS)]
        missing = [number for number, block in enumerate(found) if block is None]
        with progress_bar(shown=show_progress and bool(missing), total=len(missing), desc=what, unit="block") as bar:
            for number in missing:
                start = number * _BLOCK_ROWS
                rows = np.arange(start, min(start + _BLOCK_ROWS, self._count))
                with replacing(self._path(start)) as temporary:
                    with open(temporary, "wb") as file:
                        np.save(file, make(rows).astype(self._dtype, copy=False), allow_pickle=False)
                    sign_file(temporary, self._name(start))
                found[number] = self._open(start)
                bar.update()
        self._blocks = found

    def rows(self, places: np.ndarray) -> np.ndarray:
        """Return the arrays of some rows; int64 [B] -> [B, ...]."""
        return np.stack([self._blocks[place // _BLOCK_ROWS][place % _BLOCK_ROWS] for place in places.tolist()])

    def _path(self, start: int) -> Path:
        return self._folder / f"block-{start // _BLOCK_ROWS:05d}.npy"

    def _name(self, start: int) -> str:
        """Return what a block is for, which is signed with it."""
        return f"{self._folder.name} {start}"

    def _open(self, start: int) -> np.ndarray | None:
        """Return a block mapped into memory, or None where this user has written none of the right size."""
        path = self._path(start)
        try:
            if path.is_symlink() or not is_signed_file(path, self._name(start)):
                return None
            block = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError):
            return None
        return block if len(block) == min(_BLOCK_ROWS, self._count - start) and block.dtype == self._dtype else None
