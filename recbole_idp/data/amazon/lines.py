"""Read raw files line by line, gzipped or not, and count malformed lines."""

import ast
import contextlib
import gzip
import io
import json
import zlib
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any, TypeVar

from recbole_idp.errors import UserError
from recbole_idp.progress import progress_bar

MALFORMED_SHARE = 0.01

_GZIP_MAGIC = b"\x1f\x8b"
_LINES_PER_UPDATE = 5000
_Record = TypeVar("_Record")
# What parsing a malformed line can raise; the last two because of very deep nesting.
_LINE_FAULTS = (ValueError, SyntaxError, KeyError, TypeError, ArithmeticError, RecursionError, MemoryError)


class RawFile:
    """A text file of one record per line.

    Attributes:
        path: The file.
        records: Lines that :meth:`parsed` has read so far, without blank ones.
        malformed: How many of them could not be parsed.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.records = 0
        self.malformed = 0
        self._first_malformed: int | None = None

    def lines(self, progress: bool = True) -> Generator[tuple[int, str], None, None]:
        """Yield ``(line number, text)`` of every line that is not blank.

        Args:
            progress: Whether to show a progress bar, on terminals only.

        Raises:
            UserError: The file is missing, cannot be read or is a damaged gzip archive.
        """
        try:
            with open(self.path, "rb") as raw:
                zipped = raw.read(2) == _GZIP_MAGIC
                size = raw.seek(0, io.SEEK_END)
                raw.seek(0)
                options: dict[str, Any] = {"unit": "B", "unit_scale": True, "desc": self.path.name}
                with (
                    gzip.open(raw) if zipped else contextlib.nullcontext(raw) as stream,
                    progress_bar(shown=progress, total=size, **options) as bar,
                ):
                    for number, line in enumerate(stream, start=1):
                        if number % _LINES_PER_UPDATE == 0:
                            bar.update(raw.tell() - bar.n)
                        text = line.decode("utf-8", errors="replace").strip()
                        if text:
                            yield number, text.removeprefix("\ufeff")
        except FileNotFoundError:
            raise UserError(f"no file {self.path}: check the path") from None
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise UserError(f"{self.path} is a damaged gzip archive ({error}): download it again") from error
        except OSError as error:
            message = f"cannot read {self.path} ({error.strerror}): check the path and its permissions"
            raise UserError(message) from error

    def parsed(self, parse: Callable[[str], _Record]) -> Iterator[_Record]:
        """Yield ``parse(text)`` of every line, and skip malformed lines.

        Args:
            parse: Parses a line; raises an error, such as ``ValueError``, for a malformed one.

        Raises:
            UserError: The file cannot be read, or more than ``MALFORMED_SHARE`` of its lines are malformed.
        """
        for number, text in self.lines():
            self.records += 1
            try:
                record = parse(text)
            except _LINE_FAULTS:
                self.malformed += 1
                self._first_malformed = self._first_malformed or number
                continue
            yield record
        if self.malformed > MALFORMED_SHARE * self.records:
            share = f"{self.malformed} of {self.records} lines are malformed"
            raise UserError(f"{self.path}: {share}, the first is line {self._first_malformed}; correct the file")

    def first_record(self, sample: int = 100) -> dict[str, Any] | None:
        """Return the first dictionary in the ``sample`` leading lines, or None if there is none."""
        for text in self.head(sample):
            try:
                return parse_record(text)
            except _LINE_FAULTS:
                continue
        return None

    def head(self, count: int) -> list[str]:
        """Return the first ``count`` lines that are not blank."""
        lines = self.lines(progress=False)
        head = [text for _, (_, text) in zip(range(count), lines, strict=False)]
        lines.close()
        return head


def parse_record(text: str) -> dict[str, Any]:
    """Return the dictionary in a line of JSON or, as in the Amazon release of 2014, of Python literals.

    Raises:
        ValueError | SyntaxError: The line is neither. Nothing in it is evaluated.
    """
    try:
        record = json.loads(text)
    except ValueError:
        record = ast.literal_eval(text)
    if not isinstance(record, dict):
        raise ValueError("not a dictionary")
    return record
