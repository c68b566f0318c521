"""Mistakes that a user can make in a folder of toy domains, and the check that each is refused and changes nothing."""

import functools
import shutil
from typing import NamedTuple

import pytest

from tests.support import commands
from tests.support.trained import bundle_of

INTER, ITEM, SOURCE = "shop/shop.inter", "shop/shop.item", "pens/pens.inter"
"""Files below the data folder."""

command = functools.partial(commands.command, variants=["fine_tune"], epochs=1)
"""A command that takes little time where it is not refused."""


def files(folder):
    """Returns every file that counts below ``folder``, with size and time: not logs, and not the cache of texts."""
    found = (path for path in folder.rglob("*") if path.is_file())
    names = {path.relative_to(folder): path.stat() for path in found}
    return {
        name: (status.st_size, status.st_mtime_ns)
        for name, status in names.items()
        if name.suffix == ".tmp" or not {"log", "log_tensorboard", "cache"} & set(name.parts)
    }


class Case(NamedTuple):
    """One mistake.

    Attributes:
        name (str): What is wrong.
        prepare (Callable | None): Given the folder, makes the mistake.
        changes (dict): Keys of the command line.
        says (tuple[str, ...]): What the line must hold.
    """

    name: str
    prepare: object
    changes: dict
    says: tuple


def parametrized(cases):
    return pytest.mark.parametrize("case", cases, ids=[case.name for case in cases])


def written(name, content):
    """Returns a step that writes ``content`` to a file of the data folder."""

    def step(folder):
        path = folder / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())

    return step


def replaced(name, old, new, count=1):
    """Returns a step that replaces text in a file of the data folder."""

    def step(folder):
        path = folder / "data" / name
        content = path.read_bytes()
        old_bytes, new_bytes = (text if isinstance(text, bytes) else text.encode() for text in (old, new))
        assert old_bytes in content
        path.write_bytes(content.replace(old_bytes, new_bytes, count))

    return step


def removed(name):
    """Returns a step that removes a file or folder of the data folder."""

    def step(folder):
        path = folder / "data" / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    return step


def toy_bundle(folder):
    """Returns the bundle that a run in the folder has left."""
    return bundle_of(folder / "data" / "saved")


def refused(capfd, folder, argv, *says):
    """Runs a command that must be refused and change no file; returns its one line."""
    before = files(folder)
    line = commands.refused(capfd, argv, *says)
    assert files(folder) == before
    return line


def run_case(capfd, folder, case):
    """Makes a mistake, and checks that it is refused."""
    if case.prepare is not None:
        case.prepare(folder)
    changes = {key: value(folder) if callable(value) else value for key, value in case.changes.items()}
    refused(capfd, folder, command(folder, **changes), *case.says)


def edited(edit, *names):
    """Returns a step that edits the content of files of the data folder."""

    def step(folder):
        for name in names:
            path = folder / "data" / name
            path.write_bytes(edit(path.read_bytes()))

    return step
