"""One process at a time: locks that the system drops by itself when their holder is killed."""

import contextlib
import logging
import os
from pathlib import Path

from recbole_idp.storage.files import refusing_failed_writes

try:
    import fcntl
except ImportError:
    # Windows: two processes at once are not told apart there.
    fcntl = None


def lock_at_once(file):
    """Locks an open file until it is closed, or the process ends.

    Args:
        file (IO): The file.

    Returns:
        bool: False where another process holds the lock.
    """
    if fcntl is not None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            # A file system that knows no locks, as some of networks.
            return True
    return True


@contextlib.contextmanager
def alone(path, what):
    """Lets processes that would make the same work one after the other, so that the later ones find it made.

    Args:
        path (str | Path): The lock: a file that is there while somebody works, and is left behind by a kill alone.
        what (str): What is made, for the log of those that wait.

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


def _wait(path, what):
    """Returns the open file once it is locked."""
    while True:
        file = open(path, "a")  # noqa: SIM115, it is closed when the work ends
        if not lock_at_once(file):
            logging.getLogger().warning(f"another process is making {what}: waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        try:
            # Who had the lock before removes the file, so that it may be no longer the one that others lock.
            if os.path.samestat(os.fstat(file.fileno()), os.stat(path)):
                return file
        except FileNotFoundError:
            pass
        file.close()
