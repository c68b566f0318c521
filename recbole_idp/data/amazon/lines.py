"""Read raw files line by line, gzipped or not, and count malformed lines."""

import ast
import contextlib
import gzip
import io
import json
import warnings
import zlib
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any, TypeVar

from recbole_idp.errors import UserError
from recbole_idp.terminal.progress import progress_bar

MALFORMED_SHARE = 0.01

MOST_LINE_BYTES = 1 << 22
"""The longest line that is read."""
MOST_RATIO = 100
"""How many times smaller than its content an archive may be; reviews shrink to a third or a tenth."""

_CHECKED_FROM = 1 << 24
_MOST_BLANK = 100_000
# More malformed lines than this, and more than others, are enough to see that a file is another one.
_MOST_MALFORMED = 100_000
_MOST_LITERAL = 1 << 19
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
                    unpacked = blank = 0
                    for number, line in enumerate(iter(lambda: stream.readline(MOST_LINE_BYTES + 1), b""), start=1):
                        unpacked += len(line)
                        self._check_sizes(number, len(line), unpacked, raw.tell())
                        if number % _LINES_PER_UPDATE == 0:
                            bar.update(raw.tell() - bar.n)
                        text = line.decode("utf-8", errors="replace").strip()
                        if text:
                            yield number, text.removeprefix("\ufeff")
                        elif (blank := blank + 1) > _MOST_BLANK:
                            raise UserError(f"{self.path} has more than {_MOST_BLANK:,} empty lines; give another file")
        except FileNotFoundError:
            raise UserError(f"no file {self.path}: check the path") from None
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise UserError(f"{self.path} is a damaged gzip archive ({error}): download it again") from error
        except OSError as error:
            message = f"cannot read {self.path} ({error.strerror}): check the path and its permissions"
            raise UserError(message) from error

    def _check_sizes(self, number: int, line_bytes: int, unpacked: int, packed: int) -> None:
        """Raise UserError where a line is no record, or an archive unpacks to more than texts do."""
        if line_bytes > MOST_LINE_BYTES:
            raise UserError(f"{self.path}: line {number} has more than {MOST_LINE_BYTES:,} bytes; give another file")
        if unpacked > _CHECKED_FROM and unpacked > MOST_RATIO * packed:
            raise UserError(
                f"{self.path} unpacks to more than {MOST_RATIO} times its size, as no reviews do; give another file"
            )

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
                if self.malformed > max(_MOST_MALFORMED, self.records // 2):
                    break
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
        if len(text) > _MOST_LITERAL:
            # The parser of Python takes hundreds of bytes for each one.
            raise
        with warnings.catch_warnings():
            # Of a malformed line that is counted, the parser's advice is of no use.
            warnings.simplefilter("ignore")
            record = ast.literal_eval(text)
    if not isinstance(record, dict):
        raise ValueError("not a dictionary")
    return record
