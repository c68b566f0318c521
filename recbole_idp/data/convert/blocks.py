"""Read big raw tables block by block: whole lines at a time, of which each has its number."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from recbole_idp.data.convert.lines import MOST_LINE_BYTES, open_raw, too_long
from recbole_idp.errors import UserError

BLOCK_BYTES = 1 << 25
_UTF8_BOM = b"\xef\xbb\xbf"


class Block(NamedTuple):
    """Some lines of a file.

    Attributes:
        first: The number of the first one, from 1.
        data: The lines as UTF-8, each with a line feed at its end.
    """

    first: int
    data: bytes


def read_blocks(path: Path, size: int = BLOCK_BYTES, progress: bool = True) -> Iterator[Block]:
    """Yield a text file in blocks of whole lines. Empty lines at its end are left out.

    Args:
        path: The file, gzipped or not.
        size: Bytes of a block, about.
        progress: Whether to show a progress bar, on terminals only.

    Raises:
        UserError: The file is missing, cannot be read, is a damaged archive or no UTF-8 text, or has a line that is too
            long for one.
    """
    number, rest, start = 1, b"", _UTF8_BOM
    with open_raw(path, progress) as file:
        while True:
            piece = file.read_block(size)
            data = rest + piece.removeprefix(start)
            start = b""
            if not piece and data.strip(b"\r\n"):
                data += b"\n"
            end = data.rfind(b"\n") + 1
            # Line ends at the end of a block wait for the next one: at the end of the file they count for nothing.
            whole = data[:end].rstrip(b"\r\n")
            if whole:
                # Only what is left of the line end that was cut off decides what the rest begins with.
                cut = data[len(whole) : end]
                block = Block(number, whole.replace(b"\r\n", b"\n") + b"\n")
                _check_text(path, block)
                yield block
                number += block.data.count(b"\n")
                rest = b"\n" * (cut.count(b"\n") - 1) + data[end:]
            else:
                rest = data
            if not piece:
                return
            if len(rest) > MOST_LINE_BYTES and rest.rfind(b"\n", 0, MOST_LINE_BYTES) < 0:
                raise too_long(path, number)
            if len(rest) > size + 2 * MOST_LINE_BYTES:
                raise UserError(f"{path} has millions of empty lines from line {number} on: give another file")
            file.advance()


def _check_text(path: Path, block: Block) -> None:
    """Raise UserError where a block is no UTF-8 text."""
    place = block.data.find(b"\0")
    if place < 0:
        try:
            block.data.decode("utf-8")
            return
        except UnicodeDecodeError as error:
            place = error.start
    line = block.first + block.data.count(b"\n", 0, place)
    raise UserError(f"{path}, line {line}: this is no UTF-8 text; convert the file to UTF-8")
