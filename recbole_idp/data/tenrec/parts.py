"""Keep rows on the disk in parts of whole users, of which one at a time fits into memory."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

# Bytes of a part, about; a few times as many are in memory while it is sorted.
_PART_BYTES = 1 << 27
_MOST_PARTS = 400
# A row of 24 bytes or more of text, packed to a fifth, takes 24 bytes and 8 for each fact.
_GROWTH = 5


class Parts:
    """Rows, divided by their users.

    Args:
        folder: An empty folder.
        columns: Names of the columns, of whole numbers, ``user_id`` among them.
        file_bytes: The size of the file that the rows come from.
    """

    def __init__(self, folder: Path, columns: Sequence[str], file_bytes: int) -> None:
        count = min(_MOST_PARTS, 1 + _GROWTH * file_bytes // _PART_BYTES)
        self._paths = [folder / f"{number}.rows" for number in range(count)]
        self._type = np.dtype([("hash", np.uint64), *((name, np.int64) for name in columns)])

    def __len__(self) -> int:
        return len(self._paths)

    @contextlib.contextmanager
    def filling(self) -> Iterator[PartWriter]:
        """Yield what divides rows among the parts, as long as the block lasts."""
        with contextlib.ExitStack() as stack:
            files = [stack.enter_context(open(path, "wb")) for path in self._paths]
            yield PartWriter(files, self._type)

    def read(self, number: int) -> np.ndarray:
        """Return the rows of a part in the order in which they were added."""
        return np.fromfile(self._paths[number], dtype=self._type)

    def replace(self, number: int, rows: np.ndarray) -> None:
        """Write other rows in place of those of a part."""
        rows.tofile(self._paths[number])

    def remove(self, number: int) -> None:
        """Remove a part from the disk."""
        self._paths[number].unlink()


class PartWriter:
    """Divides rows among open files.

    Args:
        files: One for each part.
        kind: The type of a row.
    """

    def __init__(self, files: Sequence, kind: np.dtype) -> None:
        self._files, self._type = files, kind

    def add(self, hashes: np.ndarray, values: dict[str, np.ndarray]) -> None:
        """Add rows.

        Args:
            hashes: A number for each row; uint64, shape [R].
            values: The columns; int64, each of length R.
        """
        rows = np.empty(len(hashes), dtype=self._type)
        rows["hash"] = hashes
        for name, column in values.items():
            rows[name] = column
        part = rows["user_id"] % len(self._files)
        rows = rows[np.argsort(part, kind="stable")]
        ends = np.cumsum(np.bincount(part, minlength=len(self._files)))
        for file, some in zip(self._files, np.split(rows, ends[:-1]), strict=True):
            file.write(some.tobytes())
