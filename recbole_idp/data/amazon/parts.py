"""Find the parts of a split, such as those of the benchmark of the Amazon release of 2023."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from recbole_idp.data.amazon.reviews import Layout
from recbole_idp.data.convert.lines import RawFile

_PARTS = ("train", "valid", "test")
_NAME = re.compile(rf"(?P<stem>(?:.*[._-])?)(?P<part>{'|'.join(_PARTS)})(?P<ending>\.[\w.]+)", re.IGNORECASE)


class Parts(NamedTuple):
    """The files that are read for one.

    Attributes:
        files: The file that was named and the other parts beside it, in the order of the split.
        notes: What is said about it.
    """

    files: list[RawFile]
    notes: list[str]


def parts_beside(file: RawFile, layout: Layout) -> Parts:
    """Return the parts of the split that a file is one of; the file alone if it is none.

    Args:
        file: A file such as ``Office.train.csv``.
        layout: Its layout. Other files are parts if they have the same columns.
    """
    found = _NAME.fullmatch(file.path.name)
    if found is None or not layout.header:
        return Parts([file], [])
    paths = {part: _beside(file.path, found, part) for part in _PARTS}
    given = found["part"].lower()
    there = [part for part in _PARTS if part == given or _has_header(paths[part], layout.header)]
    if missing := [part for part in _PARTS if part not in there]:
        names = " and ".join(paths[part].name for part in missing)
        read = " and ".join(paths[part].name for part in there)
        notes = [f"only {read} is read: {names}, with the same columns, are missing in its folder"]
    else:
        notes = [f"{', '.join(paths[part].name for part in there)} are joined"]
    return Parts([file if part == given else RawFile(paths[part]) for part in there], notes)


def _beside(path: Path, found: re.Match[str], part: str) -> Path:
    """Return the place of another part."""
    return path if part == found["part"].lower() else path.with_name(found["stem"] + part + found["ending"])


def _has_header(path: Path, header: str) -> bool:
    """Return whether there is a file with this first line."""
    return path.is_file() and [line.strip() for line in RawFile(path).head(1)] == [header]
