"""The one line for an error that nobody foresaw: whose it is, what it says, and the key that it may be about."""

from __future__ import annotations

import re
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

_OURS = Path(__file__).parents[1]
_LONGEST = 200
_READ = re.compile(r"""config\[["'](\w+)["']\]|self\.(\w+)""")
_FEW_FRAMES = 50


class Place(NamedTuple):
    """Where an error was raised.

    Attributes:
        package: "recbole", "recbole_idp", or "" for none of the two.
        where: File and line, without the folder of the package.
        lines: The lines of the package's frames, the innermost first.
    """

    package: str
    where: str
    lines: tuple[str, ...]


def unexpected_line(error: BaseException, options: Mapping[str, str | bool]) -> str:
    """Return the line for an unforeseen error.

    Args:
        error: The error.
        options: The options of the command line.

    Returns:
        What was raised and where, the key that it seems to be about, and the remedy.
    """
    place, what = _place(error), _what(error)
    key = _key(error, place, options)
    about = f", it seems because of --{key}={options[key]}" if key else ""
    model = f" with --model={options['model']}" if key != "model" and options.get("model") else ""
    if place.package == "recbole":
        remedy = "correct the key" if key else "check the keys that you gave"
        return f"RecBole raised {what} in {place.where}{model}{about}: {remedy}; --debug shows the traceback"
    where = f" in {place.where}" if place.where else ""
    return f"a bug, {what}{where}{model}{about}: please report it with the traceback, which --debug shows"


def _what(error: BaseException) -> str:
    """Return the type and the message of an error, in one line."""
    text = " ".join(str(error).split())
    text = text if len(text) <= _LONGEST else text[:_LONGEST] + "…"
    return f"{type(error).__name__} ({text})" if text else type(error).__name__


def _place(error: BaseException) -> Place:
    """Return the innermost place of an error in RecBole or in this package."""
    # Of a deep recursion the last frames are enough.
    frames = traceback.extract_tb(error.__traceback__, limit=-_FEW_FRAMES)
    package, where, lines = "", "", []
    for frame in reversed(frames):
        found, inside = _package(Path(frame.filename))
        if found and not package:
            package, where = found, f"{inside}, line {frame.lineno}"
        if found == package == "recbole":
            lines.append(frame.line or "")
    return Place(package, where, tuple(lines))


def _package(path: Path) -> tuple[str, str]:
    """Return the package of a file and the file's path in it; empty texts for other packages."""
    if _OURS in path.parents:
        return "recbole_idp", path.relative_to(_OURS).as_posix()
    parts = path.parts
    if "recbole" in parts:
        return "recbole", "/".join(parts[len(parts) - parts[::-1].index("recbole") :])
    return "", ""


def _key(error: BaseException, place: Place, options: Mapping[str, str | bool]) -> str | None:
    """Return the option that an error seems to be about; None if no one does."""
    message = str(error)
    for key in options:
        if re.search(rf"(?<!\w){re.escape(key)}(?!\w)", message):
            return key
    for line in place.lines:
        for found in _READ.findall(line):
            if (name := found[0] or found[1]) in options:
                return name
    for key, value in options.items():
        if any(word in str(value) for word in re.findall(r"\w{3,}", message)) and key not in _ELSEWHERE:
            return key
    return None


_ELSEWHERE = ("data_path", "checkpoint_dir", "result_dir", "cache_path", "config_files", "model", "dataset")
"""Options whose values are names and paths, which an error may hold by chance."""
