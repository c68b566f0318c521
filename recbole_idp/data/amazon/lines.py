"""Reading raw files line by line, gzipped or not, with a count of the lines that make no sense."""

import ast
import contextlib
import gzip
import io
import json
import zlib
from pathlib import Path

from tqdm import tqdm

from recbole_idp.errors import UserError

MALFORMED_SHARE = 0.01

_GZIP_MAGIC = b"\x1f\x8b"
_LINES_PER_UPDATE = 5000
# What parsing a line can raise where the line is at fault; the last two by very deep nesting.
_LINE_FAULTS = (ValueError, SyntaxError, KeyError, TypeError, ArithmeticError, RecursionError, MemoryError)


class RawFile:
    """A text file of one record per line.

    Attributes:
        path (Path): The file.
        records (int): Lines seen so far by :meth:`parsed`, blank ones left out.
        malformed (int): How many of them could not be parsed.
    """

    def __init__(self, path):
        self.path = Path(path)
        self.records = 0
        self.malformed = 0
        self._first_malformed = None

    def lines(self, progress=True):
        """Yields ``(line number, text)`` of every line that is not blank.

        Args:
            progress (bool): Whether to show a progress bar (on terminals alone).

        Raises:
            UserError: The file is missing, cannot be read or is a damaged gzip archive.
        """
        try:
            with open(self.path, "rb") as raw:
                zipped = raw.read(2) == _GZIP_MAGIC
                size = raw.seek(0, io.SEEK_END)
                raw.seek(0)
                options = {"unit": "B", "unit_scale": True, "desc": self.path.name}
                with (
                    gzip.open(raw) if zipped else contextlib.nullcontext(raw) as stream,
                    tqdm(total=size, disable=None if progress else True, **options) as bar,
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

    def parsed(self, parse):
        """Yields ``parse(text)`` of every line, and passes over the lines where that fails.

        Args:
            parse (Callable[[str], object]): Raises an error, such as ``ValueError``, for a malformed line.

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

    def first_record(self, sample=100):
        """Returns the first of the ``sample`` leading lines that is a dictionary, None where there is none."""
        for text in self.head(sample):
            try:
                return parse_record(text)
            except _LINE_FAULTS:
                continue
        return None

    def head(self, count):
        """Returns the first ``count`` lines that are not blank."""
        lines = self.lines(progress=False)
        head = [text for _, (_, text) in zip(range(count), lines, strict=False)]
        lines.close()
        return head


def parse_record(text):
    """Returns the dictionary in a line of JSON or, as in the Amazon release of 2014, of Python literals.

    Raises:
        ValueError | SyntaxError: The line is neither. Nothing in it is ever evaluated.
    """
    try:
        record = json.loads(text)
    except ValueError:
        record = ast.literal_eval(text)
    if not isinstance(record, dict):
        raise ValueError("not a dictionary")
    return record
