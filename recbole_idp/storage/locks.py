"""Let one process work at a time, by locks that the system releases when their holder is killed."""

import contextlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, TextIO

from recbole_idp.storage.files import refusing_failed_writes

try:
    import fcntl
except ImportError:
    # Windows has no such locks: two processes may work at once there.
    fcntl = None  # type: ignore[assignment]  # a module, where there is one


def lock_at_once(file: IO[Any]) -> bool:
    """Lock an open file until it is closed, or the process ends.

    Args:
        file: The file.

    Returns:
        False where another process holds the lock.
    """
    if fcntl is not None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            # The file system has no locks, as some network file systems.
            return True
    return True


@contextlib.contextmanager
def alone(path: str | Path, what: str | Path) -> Iterator[None]:
    """Let processes that make the same thing work one after the other, so that the later ones find it made.

    Args:
        path: The lock: a file that exists while a process works. Only a process that is killed leaves it behind.
        what: What is made, for the log of the processes that wait.

    Raises:
        UserError: The folder cannot be written.
    """
    path = Path(path)
    with refusing_failed_writes(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = _wait(path, what)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        file.close()


@contextlib.contextmanager
def alone_at_once(path: str | Path) -> Iterator[bool]:
    """Lock as :func:`alone` does, without waiting.

    Args:
        path: The lock.

    Yields:
        Whether no other process holds it.
    """
    path = Path(path)
    file = open(path, "a")  # noqa: SIM115, it is closed when the work ends
    try:
        if free := lock_at_once(file) and _is_at(file, path):
            yield free
            path.unlink(missing_ok=True)
        else:
            yield False
    finally:
        file.close()


def _is_at(file: IO[Any], path: Path) -> bool:
    """Return whether an open file is still the one at its path, which its previous holder removes."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.stat(path))
    except FileNotFoundError:
        return False


def _wait(path: Path, what: str | Path) -> TextIO:
    """Wait for the lock and return its open file."""
    while True:
        file = open(path, "a")  # noqa: SIM115, it is closed when the work ends
        if not lock_at_once(file):
            logging.getLogger().warning(f"another process is making {what}: waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        if _is_at(file, path):
            return file
        file.close()
