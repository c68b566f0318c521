"""Read raw files line by line, gzipped or not, and count malformed lines."""

import ast
import contextlib
import csv
import gzip
import io
import json
import warnings
import zlib
from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path
from typing import IO, Any, TypeVar, cast

from tqdm import tqdm

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
_Text = TypeVar("_Text", str, list[str])
# What parsing a malformed line can raise; the last two because of very deep nesting.
_LINE_FAULTS = (ValueError, SyntaxError, KeyError, TypeError, ArithmeticError, RecursionError, MemoryError)


class OpenFile:
    """A raw file that is open, unpacked on the way.

    Args:
        path: The file, for messages.
        raw: The file as it lies on the disk.
        stream: Its content.
        bar: The progress bar over the bytes on the disk.
    """

    def __init__(self, path: Path, raw: IO[bytes], stream: IO[bytes], bar: tqdm) -> None:
        self._path, self._raw, self._stream, self._bar = path, raw, stream, bar
        self._unpacked = 0

    def read_line(self) -> bytes:
        """Return the next line with its end, or its first ``MOST_LINE_BYTES`` + 1 bytes; empty at the end."""
        return self._counted(self._stream.readline(MOST_LINE_BYTES + 1))

    def read_block(self, size: int) -> bytes:
        """Return the next ``size`` bytes, fewer at the end."""
        return self._counted(self._stream.read(size))

    def advance(self) -> None:
        """Advance the progress bar to where the file is read."""
        self._bar.update(self._raw.tell() - self._bar.n)

    def _counted(self, content: bytes) -> bytes:
        """Return the content; raise UserError where an archive unpacks to more than texts do."""
        self._unpacked += len(content)
        if self._unpacked > _CHECKED_FROM and self._unpacked > MOST_RATIO * self._raw.tell():
            raise UserError(
                f"{self._path} unpacks to more than {MOST_RATIO} times its size, more than any data; give another file"
            )
        return content


@contextlib.contextmanager
def open_raw(path: Path, progress: bool = True) -> Iterator[OpenFile]:
    """Open a file for reading, gzipped or not, with a progress bar.

    Args:
        path: The file.
        progress: Whether to show the bar, on terminals only.

    Raises:
        UserError: The file is missing, cannot be read or is a damaged gzip archive, which may show in the block.
    """
    try:
        with open(path, "rb") as raw:
            zipped = raw.read(2) == _GZIP_MAGIC
            size = raw.seek(0, io.SEEK_END)
            raw.seek(0)
            options: dict[str, Any] = {"unit": "B", "unit_scale": True, "desc": path.name}
            with (
                gzip.open(raw) if zipped else contextlib.nullcontext(raw) as stream,
                progress_bar(shown=progress, total=size, **options) as bar,
            ):
                yield OpenFile(path, raw, cast(IO[bytes], stream), bar)
    except FileNotFoundError:
        raise UserError(f"no file {path}: check the path") from None
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise UserError(f"{path} is a damaged gzip archive ({error}): download it again") from error
    except OSError as error:
        raise UserError(f"cannot read {path} ({error.strerror}): check the path and its permissions") from error


def too_long(path: Path, number: int) -> UserError:
    """Return the error for a line of more than ``MOST_LINE_BYTES``."""
    return UserError(f"{path}: line {number} has more than {MOST_LINE_BYTES:,} bytes; give another file")


class RawFile:
    """A text file of one record per line.

    Args:
        path: The file.
        otherwise: The encoding of lines that are no UTF-8; None: there is none.

    Attributes:
        path: The file.
        records: Lines that :meth:`parsed` has read so far, without blank ones.
        malformed: How many of them could not be parsed.
        undecoded: Lines that are no UTF-8 text, in which question marks stand for what could not be read.
    """

    def __init__(self, path: str | Path, otherwise: str | None = None) -> None:
        self.path = Path(path)
        self._otherwise = otherwise
        self.records = 0
        self.malformed = self.undecoded = 0
        self._first_malformed: int | None = None

    def lines(self, progress: bool = True) -> Generator[tuple[int, str], None, None]:
        """Yield ``(line number, text)`` of every line that is not blank.

        Args:
            progress: Whether to show a progress bar, on terminals only.

        Raises:
            UserError: The file is missing, cannot be read or is a damaged gzip archive.
        """
        with open_raw(self.path, progress) as file:
            blank = 0
            for number, line in enumerate(iter(file.read_line, b""), start=1):
                if len(line) > MOST_LINE_BYTES:
                    raise too_long(self.path, number)
                if number % _LINES_PER_UPDATE == 0:
                    file.advance()
                # A table's first and last fields may be empty: blanks and tabs stay.
                text = self._decoded(line).rstrip("\r\n")
                if text.strip():
                    yield number, text.removeprefix("\ufeff")
                elif (blank := blank + 1) > _MOST_BLANK:
                    raise UserError(f"{self.path} has more than {_MOST_BLANK:,} empty lines; give another file")

    def _decoded(self, line: bytes) -> str:
        """Return a line as text, and count those that are no UTF-8."""
        try:
            return line.decode("utf-8")
        except UnicodeDecodeError:
            if self._otherwise is not None:
                return line.decode(self._otherwise, errors="replace")
            self.undecoded += 1
            return line.decode("utf-8", errors="replace")

    def parsed(self, parse: Callable[[str], _Record]) -> Iterator[_Record]:
        """Yield ``parse(text)`` of every line, and skip malformed lines.

        Args:
            parse: Parses a line; raises an error, such as ``ValueError``, for a malformed one.

        Raises:
            UserError: The file cannot be read, or more than ``MALFORMED_SHARE`` of its lines are malformed.
        """
        return self._counted(self.lines(), parse)

    def parsed_rows(self, separator: str, parse: Callable[[list[str]], _Record]) -> Iterator[_Record]:
        """Yield ``parse(fields)`` of every row of a table, and skip malformed rows.

        Args:
            separator: What stands between two fields. Where it is one character, and no tab, fields may stand in
                quotation marks, and have line breaks.
            parse: Parses the fields; raises an error, such as ``ValueError``, for a malformed row.

        Raises:
            UserError: The file cannot be read, or more than ``MALFORMED_SHARE`` of its rows are malformed.
        """
        return self._counted(self._rows(separator), parse)

    def _rows(self, separator: str) -> Iterator[tuple[int, list[str]]]:
        """Yield the number of the first line and the fields of each row."""
        if len(separator) > 1 or separator == "\t":
            for number, text in self.lines():
                yield number, text.split(separator)
            return
        start = last = 0

        def texts() -> Iterator[str]:
            nonlocal start, last
            for number, text in self.lines():
                start, last = start or number, number
                yield text + "\n"

        # Strict: without it an open quotation mark would swallow all the rest.
        reader = csv.reader(texts(), delimiter=separator, strict=True)
        while True:
            try:
                fields = next(reader, None)
            except csv.Error as error:
                place = f"{self.path}, line {start or last}"
                raise UserError(f"{place}: {error}: close its quotation marks, and double those inside") from None
            if fields is None:
                return
            yield start, fields
            start = 0

    def _counted(
        self, records: Iterable[tuple[int, _Text]], parse: Callable[[_Text], _Record]
    ) -> Generator[_Record, None, None]:
        """Yield parsed records, and count the malformed ones."""
        for number, text in records:
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
        # Whoever reads the file counts.
        self.undecoded = 0
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
            record = ast.literal_eval(text.strip())
    if not isinstance(record, dict):
        raise ValueError("not a dictionary")
    return record


def encoding_notes(files: Iterable[RawFile]) -> list[str]:
    """Say how many lines of files that were read are no UTF-8 text."""
    return [
        f"{file.undecoded:,} lines of {file.path} are not UTF-8, and lost characters: convert it before"
        for file in files
        if file.undecoded
    ]
