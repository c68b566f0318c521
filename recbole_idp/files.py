"""Writing files so that a crash never leaves half of one, and recognising their content."""

import contextlib
import errno
import hashlib
import json
import os
import tempfile
from pathlib import Path

from recbole_idp.errors import UserError


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
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def unwritable(path, error):
    """Turns an operating-system error on writing ``path`` into a line for the user."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return UserError(f"no space left to write {path}: free some space or choose another folder")
    return UserError(f"cannot write {path} ({error.strerror or error}): choose a folder that you may write")


def write_text(path, text):
    """Writes ``text`` as UTF-8 to ``path``, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path, value):
    """Writes ``value`` as indented JSON to ``path``, whole or not at all."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False, default=str) + "\n")


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
