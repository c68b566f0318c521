"""Try hostile files: each is made, read under watch, and must be refused in one line."""

import itertools
import json
import os
import pickle
import resource
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from recbole_idp.errors import UserError

SECONDS = 20
"""How much of a processor's time a reader may take to refuse a file."""
MEMORY = 3 << 30
"""How many bytes of addresses all attacks together may add to what the libraries take."""

# What code that a file brings would do first; none of these events happens while a file is read.
_FORBIDDEN = ("pickle.find_class", "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "socket.connect")
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class Attack(NamedTuple):
    """One hostile input.

    Attributes:
        name: What is hostile about it.
        read: Reads it, as the package does; must raise UserError.
    """

    name: str
    read: Callable[[], object]


class Canary:
    """A pickle that makes a file when it is opened.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str, int]]:
        return os.open, (str(self.path), os.O_CREAT | os.O_WRONLY)


class Yard:
    """A place for hostile files.

    Args:
        root: An empty folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.canary = root / "canary"
        self._numbers = itertools.count()

    def copy(self, source: Path) -> Path:
        """Return a new copy of a file or folder."""
        place = self.root / f"{next(self._numbers):04}"
        place.mkdir()
        if source.is_dir():
            return Path(shutil.copytree(source, place / source.name))
        return Path(shutil.copy(source, place / source.name))

    def new(self, name: str) -> Path:
        """Return a path of a new file."""
        place = self.root / f"{next(self._numbers):04}"
        place.mkdir()
        return place / name

    def pickle(self) -> bytes:
        """Return a pickle that tells when it is opened."""
        return pickle.dumps(Canary(self.canary))


class Watch:
    """Notes what no reader may do: run code, start a program, connect, or write elsewhere.

    Args:
        yard: Where may be written.
    """

    def __init__(self, yard: Yard) -> None:
        self._yard = str(yard.root)
        self._found: list[str] | None = None
        sys.addaudithook(self._hear)

    def _hear(self, event: str, args: tuple[Any, ...]) -> None:
        if self._found is None:
            return
        if event in _FORBIDDEN:
            self._found.append(f"{event} {args[:1]}")
        elif event == "open" and isinstance(args[0], str) and isinstance(args[2], int) and args[2] & _WRITES:
            self._found += [] if args[0].startswith((self._yard, "/dev/null")) else [f"writes {args[0]}"]

    def during(self, read: Callable[[], object]) -> list[str]:
        """Run a reader; return what was forbidden in what it did. What it raises is raised."""
        self._found = found = []
        try:
            read()
        finally:
            self._found = None
        return found


def limit() -> None:
    """Bound the memory and the processor time of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if Path("/proc/self/statm").exists() else 1 << 21
    most = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    used = int(time.process_time())
    resource.setrlimit(resource.RLIMIT_CPU, (used + 1200, used + 1200))
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 30, 1 << 30))


def try_all(attacks: Iterator[Attack], yard: Yard) -> tuple[int, list[str]]:
    """Try attacks one after the other.

    Args:
        attacks: The attacks, each made just before it is tried.
        yard: Where their files lie.

    Returns:
        How many were refused as they must be, and what is wrong with the others.
    """
    watch, refused, wrong, names = Watch(yard), 0, [], set()
    for attack in attacks:
        if attack.name in names:
            wrong.append(f"{attack.name}: there are two of this name")
        names.add(attack.name)
        said, seconds = _try(attack, watch)
        if yard.canary.exists():
            yard.canary.unlink()
            said = "code of the file ran"
        if said is None and seconds > SECONDS:
            said = f"took {seconds:.0f} s"
        if said is None:
            refused += 1
        else:
            wrong.append(f"{attack.name}: {said}")
    return refused, wrong


def _try(attack: Attack, watch: Watch) -> tuple[str | None, float]:
    """Return what is wrong with how an attack ends, None where it is refused; and its seconds of a processor."""
    started, said = time.process_time(), None
    done: list[str] = []
    try:
        done = watch.during(attack.read)
        said = "was accepted"
    except UserError as error:
        line = str(error)
        if not line.isprintable() or not 10 < len(line) < 2000:
            said = f"has another form of line: {line[:200]!r}"
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        said = f"{type(error).__name__}: {str(error)[:200]}"
    if done:
        said = "; ".join(done)
    return said, time.process_time() - started


def reseal(folder: Path, folder_format: Any, **changes: Any) -> None:
    """List and hash the files of a sealed folder anew, as a stranger can who knows how.

    Args:
        folder: The folder.
        folder_format: Its format.
        **changes: Other values of its description.
    """
    from recbole_idp.storage.sealed import seal

    path = folder / folder_format.description_file
    description = {**json.loads(path.read_text(encoding="utf-8")), **changes}
    for key in ("sha256", "checksum"):
        description.pop(key, None)
    path.unlink()
    seal(folder, folder_format, description)


def reseal_encoder(folder: Path, **settings: Any) -> None:
    """List and hash the files of a saved text encoder anew.

    Args:
        folder: The folder.
        **settings: Other values of its settings.
    """
    from recbole_idp.content.text.stored import SETTINGS_FILE
    from recbole_idp.storage.files import sha256_of_file

    path = folder / SETTINGS_FILE
    content = json.loads(path.read_text(encoding="utf-8"))
    content["settings"].update(settings)
    files = [file for file in folder.rglob("*") if file.is_file() and file.name != SETTINGS_FILE]
    content["sha256"] = {file.relative_to(folder).as_posix(): sha256_of_file(file) for file in files}
    path.write_text(json.dumps(content), encoding="utf-8")
