"""Keep control characters in files from other people from the terminal."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Iterator
from typing import Any, TextIO

from recbole_idp.terminal.printable import printable


class PrintableStream:
    """A stream of text through which only printable characters, tabs and ends of lines pass.

    Args:
        stream: Where they go.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write what is printable of a text."""
        return self._stream.write(printable(text, lines=True))

    def writelines(self, lines: Iterable[str]) -> None:
        """Write what is printable of several texts."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def printable_output() -> Iterator[None]:
    """Let only printable text reach standard output, whichever task prints it."""
    with contextlib.redirect_stdout(PrintableStream(sys.stdout)):  # type: ignore[type-var]  # it has all that is used
        yield
