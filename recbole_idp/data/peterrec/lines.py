"""Read the text files of PeterRec (SIGIR 2020) and Conure (SIGIR 2021): ids separated by commas, padded by 0.

0,0,15,208,77             source ids of a user, for pre-training
0,0,15,208,77,,12,31      source ids and, after two commas, target ids
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from recbole_idp.data.convert.lines import RawFile
from recbole_idp.errors import UserError

PADDING = "0"
_DIVIDER = ",,"
_LONGEST = 18


class Line(NamedTuple):
    """One line.

    Attributes:
        number: Its number in the file, from 1.
        source: Source ids as they stand there, padding included.
        targets: Target ids; empty in a file for pre-training.
    """

    number: int
    source: list[str]
    targets: list[str]


def has_targets(path: Path) -> bool:
    """Return whether the first line of a file has targets.

    Raises:
        UserError: The file cannot be read, or is empty.
    """
    head = RawFile(path).head(1)
    if not head:
        raise UserError(f"{path} is empty: each line holds ids that are separated by commas")
    return _DIVIDER in head[0]


def read_lines(path: Path, with_targets: bool) -> Iterator[Line]:
    """Yield the lines of a file; the first malformed one ends it.

    Args:
        path: The file, gzipped or not.
        with_targets: Whether each line must have targets; otherwise none may.

    Raises:
        UserError: The file cannot be read, or a line is malformed.
    """
    file = RawFile(path)
    for number, text in file.lines():
        source, divider, targets = text.strip().partition(_DIVIDER)
        where = f"{path}, line {number}"
        if file.undecoded:
            raise UserError(f"{where}: this is no UTF-8 text; convert the file to UTF-8")
        if bool(divider) != with_targets:
            wrong = "no two commas, after which its targets would stand" if with_targets else "targets after two commas"
            others = "have them" if with_targets else "have none"
            raise UserError(f"{where} has {wrong}, and lines of this file {others}: correct or drop the line")
        line = Line(number, _ids(source, where), _ids(targets, where) if with_targets else [])
        if PADDING in line.targets:
            raise UserError(f"{where}: a target is 0, which is padding alone: correct or drop the line")
        yield line


def _ids(text: str, where: str) -> list[str]:
    """Split ids."""
    found = text.split(",")
    # All at once, which is fast; what is wrong is looked for where something is.
    if not ("".join(found).isascii() and all(map(str.isdigit, found))) or max(map(len, found)) > _LONGEST:
        bad = next(part for part in found if not (part.isascii() and part.isdigit()) or len(part) > _LONGEST)
        what = f"{bad[:60]!r} is no id, which is a whole number" if bad else "an id is missing between two commas"
        raise UserError(f"{where}: {what}: correct or drop the line")
    return [part.lstrip("0") or PADDING for part in found] if any(part[0] == "0" for part in found) else found
