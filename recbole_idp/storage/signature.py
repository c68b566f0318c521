"""Sign what this user writes into a cache, so that what others put there is not taken for it.

A hash finds damage, but whoever changes a file can hash it again. The signature is a hash with a secret, which lies in
the user's own settings: ``$XDG_CONFIG_HOME/recbole_idp/key``, where ``~/.config`` is the usual folder.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import itertools
import logging
import os
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from recbole_idp.storage.files import temporary_beside

_KEY_BYTES = 32
_DIGEST_BYTES = 16


def digest_of(parts: Iterable[Any]) -> str:
    """Return a hash of some bytes, or arrays of numbers that lie in one piece, as 32 hexadecimal digits."""
    return _hash(parts, b"")


def signature_of(parts: Iterable[Any]) -> str:
    """Return the signature of such parts: a hash that only this user can make."""
    return _hash(parts, _key())


def is_signature(signature: str | None, parts: Iterable[Any]) -> bool:
    """Return whether this user has signed these parts so."""
    # compare_digest takes no text beyond ASCII, which a stranger's file may hold.
    return signature is not None and hmac.compare_digest(signature.encode(), signature_of(parts).encode())


def sign_file(path: str | Path, name: str) -> None:
    """Append the signature of a file's content to the file.

    Args:
        path: The file.
        name: What the content is for; it is signed as well.
    """
    signature = signature_of(itertools.chain([name.encode()], _blocks(path, os.path.getsize(path))))
    with open(path, "ab") as file:
        file.write(signature.encode())


def is_signed_file(path: str | Path, name: str) -> bool:
    """Return whether this user has signed a file with :func:`sign_file`, and nothing in it has changed.

    Raises:
        OSError: The file cannot be read.
    """
    content = os.path.getsize(path) - 2 * _DIGEST_BYTES
    if content < 0:
        return False
    with open(path, "rb") as file:
        file.seek(content)
        signature = file.read()
    return is_signature(signature.decode("ascii", "replace"), itertools.chain([name.encode()], _blocks(path, content)))


def _blocks(path: str | Path, count: int) -> Iterator[bytes]:
    """Yield the first ``count`` bytes of a file, in blocks."""
    with open(path, "rb") as file:
        while count > 0 and (block := file.read(min(count, 1 << 20))):
            count -= len(block)
            yield block


def _hash(parts: Iterable[Any], key: bytes) -> str:
    state = hashlib.blake2b(digest_size=_DIGEST_BYTES, key=key)
    for part in parts:
        state.update(part)
    return state.hexdigest()


@functools.cache
def _key() -> bytes:
    """Return the secret of this user, which is made if it is missing."""
    path = key_file()
    try:
        if (key := _read(path)) is None:
            _make(path)
            key = _read(path)
    except OSError as error:
        logging.getLogger().warning(
            f"caches cannot be used by later runs, as {path} cannot be kept ({error.strerror}): set XDG_CONFIG_HOME to "
            "a folder that you may write"
        )
        key = None
    return key or secrets.token_bytes(_KEY_BYTES)


def key_file() -> Path:
    """Return the file of the secret."""
    settings = os.environ.get("XDG_CONFIG_HOME") or os.path.join(os.path.expanduser("~"), ".config")
    return Path(settings, "recbole_idp", "key")


def _read(path: Path) -> bytes | None:
    """Return the secret; None where it is missing or damaged."""
    try:
        key = path.read_bytes()
    except FileNotFoundError:
        return None
    return key if len(key) == _KEY_BYTES else None


def _make(path: Path) -> None:
    """Make the secret, whole and for this user alone; where another process has just made it, that one stays."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.exists():
        path.unlink()
    temporary = temporary_beside(path)
    try:
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(_KEY_BYTES))
        os.link(temporary, path)
    except FileExistsError:
        pass
    finally:
        temporary.unlink(missing_ok=True)
