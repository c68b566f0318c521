"""Write files so that a crash never leaves half of one, and identify their content."""

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
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from recbole_idp.errors import UserError
from recbole_idp.storage.plain import plain

MOST_JSON_BYTES = 1 << 28
"""The largest JSON file that is read."""

# The end of a temporary file's name: the process that makes it.
_MAKER = re.compile(r"\.(\d+)-[0-9a-f]{8}\.tmp$")


@contextlib.contextmanager
def refusing_failed_writes(path: str | Path) -> Iterator[None]:
    """Turn an error of the operating system, in a block that writes ``path``, into a line for the user.

    Raises:
        UserError: The path cannot be written, or the disk is full.
    """
    try:
        yield
    except Exception as error:
        if (cause := system_error(error)) is None:
            raise
        raise unwritable(path, cause) from error


@contextlib.contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``, which takes its place if the block ends without an exception.

    Args:
        path: The file to write. Its folder is made if it is missing.

    Yields:
        A temporary file in the same folder, for the block to write.

    Raises:
        UserError: The folder cannot be written, or the disk is full.
    """
    path = Path(path)
    had_folder, temporary = path.parent.exists(), temporary_beside(path)
    try:
        with refusing_failed_writes(path):
            _begin(temporary)
            yield temporary
            with open(temporary, "rb") as written:
                os.fsync(written.fileno())
            os.chmod(temporary, 0o666 & ~umask())
            os.replace(temporary, path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        if not had_folder and not path.exists():
            with contextlib.suppress(OSError):
                path.parent.rmdir()


def _begin(temporary: Path) -> None:
    """Make an empty file, and its folder, which another process may remove between the two as it is empty."""
    for attempt in range(100):
        temporary.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.touch(0o600, exist_ok=False)
            return
        except FileNotFoundError:
            if attempt == 99:
                raise


def umask() -> int:
    """Return the permissions that new files of this process do not get."""
    # The system tells the mask only to who sets it.
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def temporary_beside(path: Path) -> Path:
    """Return an unused name beside ``path``, and remove what killed processes have left under such names.

    Args:
        path: The file or folder that is going to be made.

    Returns:
        The path. Its name holds the number of this process, so that others can check whether the process still runs.
        Nothing is there yet, so that a caller that is interrupted while it makes the file knows what to remove.
    """
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        if (process := _MAKER.search(left.name)) and not _is_running(int(process[1])):
            shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink(missing_ok=True)
    return path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")


def _is_running(process: int) -> bool:
    """Return whether a process of this number runs; True where the system cannot say."""
    if os.name != "posix":
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return True


def system_error(error: Exception) -> OSError | None:
    """Return the operating system's error in an exception, or None if there is none.

    safetensors raises an exception of its own, which holds the error number only in its text.
    """
    if isinstance(error, OSError):
        return error
    if type(error).__name__ == "SafetensorError" and (number := re.search(r"\(os error (\d+)\)", str(error))):
        return OSError(int(number[1]), os.strerror(int(number[1])))
    return None


def is_full(error: OSError) -> bool:
    """Return whether an error means that the disk, the quota or the limit of a file's size is reached."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def unwritable(path: str | Path, error: OSError) -> UserError:
    """Return the line for the user that says why ``path`` cannot be written."""
    if is_full(error):
        return UserError(f"no space left to write {path}: free some space or choose another folder")
    return UserError(f"cannot write {path} ({error.strerror or error}): choose a folder that you may write")


def check_writable(key: str, folder: str | Path) -> None:
    """Check that a folder can be written, or made, before the work begins whose result goes there.

    Args:
        key: The key that names the folder.
        folder: The folder.

    Raises:
        UserError: The folder cannot be written or made.
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


def unused(folder: str | Path, stem: str, suffix: str) -> Path:
    """Return a path in a folder that does not exist yet.

    Its name holds the number of this process, so that no other process takes it.

    Args:
        folder: The folder.
        stem: How the name begins.
        suffix: How it ends.
    """
    stem = f"{stem}-{os.getpid()}"
    names = (f"{stem}{'' if number == 1 else f'-{number}'}{suffix}" for number in itertools.count(1))
    return next(path for path in (Path(folder) / name for name in names) if not path.exists())


def remove_kept(paths: Sequence[Path]) -> None:
    """Remove files that an interrupted run would resume from, and their folders if they are empty then."""
    for path in paths:
        path.unlink(missing_ok=True)
    for folder in dict.fromkeys(path.parent for path in paths):
        with contextlib.suppress(OSError):
            folder.rmdir()


def write_text(path: str | Path, text: str) -> None:
    """Write ``text`` as UTF-8 to ``path``, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | Path, value: Any) -> None:
    """Write ``value`` as indented JSON to ``path``, whole or not at all."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False, default=plain) + "\n")


def parse_json(path: str | Path, most_bytes: int = MOST_JSON_BYTES) -> Any:
    """Parse a JSON file that anybody may have written.

    Args:
        path: The file.
        most_bytes: The largest size that is read.

    Returns:
        The value in the file.

    Raises:
        ValueError: The file is no regular file, is too large, is not JSON, or is nested too deep.
        OSError: The file cannot be read.
    """
    path = Path(path)
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("it is no regular file")
    if status.st_size > most_bytes:
        raise ValueError(f"it has {status.st_size:,} bytes, more than {most_bytes:,}")
    return json_value(path.read_text(encoding="utf-8"))


def json_value(text: str) -> Any:
    """Return the value of a JSON text that anybody may have written.

    Raises:
        ValueError: The text is not JSON, or is nested too deep.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def read_json(path: str | Path, kind: str, remedy: str) -> Any:
    """Read a JSON file.

    Args:
        path: The file.
        kind: A word for what it holds, for the message.
        remedy: What the user can do if it cannot be read.

    Returns:
        The value in the file.

    Raises:
        UserError: The file cannot be read, or is not JSON.
    """
    try:
        return parse_json(path)
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is not a readable {kind} ({error}): {remedy}") from error


def sha256_of_file(path: str | Path) -> str:
    """Return the SHA-256 of a file's bytes as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def fingerprint(value: Any) -> str:
    """Return 16 hexadecimal digits that identify a JSON-serialisable ``value``, whatever the order of its keys."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, default=plain)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:16]
