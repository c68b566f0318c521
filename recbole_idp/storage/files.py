"""Writing files so that a crash never leaves half of one, and recognising their content."""

import contextlib
import errno
import glob
import hashlib
import itertools
import json
import os
import re
import secrets
import shutil
from pathlib import Path

from recbole_idp.errors import UserError

# What the name of a temporary file ends in: who makes it.
_MAKER = re.compile(r"\.(\d+)-[0-9a-f]{8}\.tmp$")


@contextlib.contextmanager
def refusing_failed_writes(path):
    """Turns what the operating system refuses in a block that writes ``path`` into a line for the user.

    Raises:
        UserError: The place cannot be written, or the disk is full.
    """
    try:
        yield
    except Exception as error:
        if (cause := system_error(error)) is None:
            raise
        raise unwritable(path, cause) from error


@contextlib.contextmanager
def replacing(path):
    """Yields a temporary path beside ``path``, which takes its place if the block ends without an exception.

    Args:
        path (str | Path): The file to write. Its folder is made where it is missing.

    Yields:
        Path: A temporary file in the same folder, for the block to write.

    Raises:
        UserError: The folder cannot be written, or the disk is full.
    """
    path = Path(path)
    had_folder, temporary = path.parent.exists(), temporary_beside(path)
    try:
        with refusing_failed_writes(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.touch(0o600, exist_ok=False)
            yield temporary
            with open(temporary, "rb") as written:
                os.fsync(written.fileno())
            os.chmod(temporary, 0o644)
            os.replace(temporary, path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        if not had_folder and not path.exists():
            with contextlib.suppress(OSError):
                path.parent.rmdir()


def temporary_beside(path):
    """Returns a name beside ``path`` that is nobody's, after removing what killed processes have left under such names.

    Args:
        path (Path): The file or folder that is going to be made.

    Returns:
        Path: It names this process, by which others know whether it is still at work. Nothing is there yet: whoever is
        interrupted while he makes it knows what to remove.
    """
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        if (process := _MAKER.search(left.name)) and not _is_running(int(process[1])):
            shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink(missing_ok=True)
    return path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")


def _is_running(process):
    """Returns whether there is a process of this number, as far as this machine can tell."""
    if os.name != "posix":
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return True


def system_error(error):
    """Returns the operating system's error in an exception, or None where there is none.

    safetensors has an exception of its own, which has the number in its text alone.
    """
    if isinstance(error, OSError):
        return error
    if type(error).__name__ == "SafetensorError" and (number := re.search(r"\(os error (\d+)\)", str(error))):
        return OSError(int(number[1]), os.strerror(int(number[1])))
    return None


def is_full(error):
    """Returns whether an operating-system error says that no more can be written: disk, quota or limit of a file."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def unwritable(path, error):
    """Turns an operating-system error on writing ``path`` into a line for the user."""
    if is_full(error):
        return UserError(f"no space left to write {path}: free some space or choose another folder")
    return UserError(f"cannot write {path} ({error.strerror or error}): choose a folder that you may write")


def check_writable(key, folder):
    """Checks that a folder can be written, or made, before work begins whose result goes there.

    Args:
        key (str): What names the folder.
        folder (str | Path): The folder.

    Raises:
        UserError: It cannot.
    """
    folder = Path(folder)
    try:
        folder.lstat()
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise unwritable(f"{key} {folder}", error) from error
    existing = next(path for path in (folder, *folder.absolute().parents) if os.path.lexists(path))
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        reason = "is no folder" if not existing.is_dir() else "is not yours to write"
        raise UserError(f"cannot write {key} {folder} ({existing} {reason}): choose another folder")


def unused(folder, stem, suffix):
    """Returns a path that is not there yet, and that no other process takes: its name has this one's number in it."""
    stem = f"{stem}-{os.getpid()}"
    names = (f"{stem}{'' if number == 1 else f'-{number}'}{suffix}" for number in itertools.count(1))
    return next(path for path in (Path(folder) / name for name in names) if not path.exists())


def remove_kept(paths):
    """Removes files that an interrupted work would have gone on from, and their folder if nothing else is in it."""
    for path in paths:
        path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        paths[0].parent.rmdir()


def write_text(path, text):
    """Writes ``text`` as UTF-8 to ``path``, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path, value):
    """Writes ``value`` as indented JSON to ``path``, whole or not at all."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False, default=str) + "\n")


def read_json(path, kind, remedy):
    """Reads a JSON file.

    Args:
        path (str | Path): The file.
        kind (str): What it holds, in a word for the user.
        remedy (str): What to do where it cannot be read.

    Returns:
        Any: Its value.

    Raises:
        UserError: The file cannot be read, or is no JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path} is not a readable {kind} ({error}): {remedy}") from error


def sha256_of_file(path):
    """Returns the SHA-256 of a file's bytes as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def fingerprint(value):
    """Returns 16 hexadecimal digits that stand for a JSON-serialisable ``value``; key order does not matter."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:16]
