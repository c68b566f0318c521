"""Read picture files that anybody may have made: each becomes pixels, or a reason why it does not."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from recbole_idp.content.vector_cache import HASH_BYTES
from recbole_idp.errors import UserError

if TYPE_CHECKING:
    import numpy as np

    from recbole_idp.content.image.preprocessing import Preprocessing

MOST_PIXELS = 50_000_000
"""The largest picture that is decoded: some 150 MB in memory."""
MOST_BYTES = 1 << 26
"""The largest file that is read."""
FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP")
"""The formats that are read, by Pillow's names."""

MISSING, TOO_LARGE, DAMAGED = "missing", "too large", "damaged or no pictures"
"""Why a picture is not read."""


class UnreadableError(Exception):
    """A file gives no pixels; its text is the reason, one of the three above."""


def content_hash(path: Path) -> bytes:
    """Return the hash of a picture file.

    Args:
        path: The file, without symbolic links.

    Raises:
        UnreadableError: It is missing, no regular file, or too large.
    """
    return hashlib.sha256(_content(path)).digest()[:HASH_BYTES]


def read_pixels(path: Path, preprocessing: Preprocessing) -> np.ndarray:
    """Read the pixels of a picture that an encoder reads, the first picture of several.

    Args:
        path: The file, without symbolic links.
        preprocessing: What is done with it.

    Returns:
        uint8, shape [size, size, 3].

    Raises:
        UnreadableError: It cannot be read, or is too large to be decoded.
    """
    return decode(_content(path), preprocessing)


def decode(content: bytes, preprocessing: Preprocessing) -> np.ndarray:
    """Decode a picture; see :func:`read_pixels`.

    Args:
        content: What the file holds.
        preprocessing: What is done with it.
    """
    pillow = _pillow()
    with warnings.catch_warnings():
        # Pillow warns of large pictures, and of each thing that is odd in a damaged one.
        warnings.simplefilter("ignore")
        try:
            with pillow.open(io.BytesIO(content), formats=FORMATS) as image:
                # Only the head of the file has been read so far.
                if image.width * image.height > MOST_PIXELS:
                    raise UnreadableError(TOO_LARGE)
                return preprocessing.pixels(image.convert("RGB"))
        except pillow.DecompressionBombError as error:
            raise UnreadableError(TOO_LARGE) from error
        except (UnreadableError, MemoryError):
            raise
        except Exception as error:  # its readers raise many kinds: SyntaxError, struct.error, ValueError, OSError
            raise UnreadableError(DAMAGED) from error


def _content(path: Path) -> bytes:
    """Return the bytes of a regular file; a pipe, which would be waited for, is not opened for reading."""
    flags = os.O_RDONLY
    for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY", "O_CLOEXEC"):
        flags |= getattr(os, name, 0)
    try:
        with open(os.open(path, flags), "rb") as file:
            about = os.fstat(file.fileno())
            if not stat.S_ISREG(about.st_mode):
                raise UnreadableError(MISSING)
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise UnreadableError(MISSING) from error
    if len(content) > MOST_BYTES:
        raise UnreadableError(TOO_LARGE)
    return content


def _pillow():  # type: ignore[no-untyped-def]  # Pillow's module, which is imported on demand
    """Return Pillow's module of images.

    Raises:
        UserError: It is not installed.
    """
    try:
        from PIL import Image
    except ImportError as error:
        raise UserError(f'pictures are read by Pillow ({error}): pip install "recbole_idp[images]"') from error
    return Image
