"""Read and write RecBole's atomic files literally: every character between two separators belongs to the value.

RecBole itself reads them with quoting on, so that a title which starts with a quotation mark swallows the lines after
it. Here no character quotes others, and errors name the line of the file.
"""

import codecs
import csv
import functools
import io
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from recbole_idp.data.times import BadTimeError, is_date, not_a_time, seconds_of
from recbole_idp.errors import UserError, nearest
from recbole_idp.storage.files import replacing

TYPES = ("token", "float", "token_seq", "float_seq")
ColumnChoice = Iterable[str] | Callable[[dict[str, str]], Iterable[str]]
"""Names of columns, or a function that is given ``{name: type}`` of a file and returns them."""
# The columns of the .inter files that this package makes.
INTER_TYPES = {"user_id": "token", "item_id": "token", "rating": "float", "timestamp": "float"}

_UTF8_BOM = b"\xef\xbb\xbf"
_PACKED = {b"\x1f\x8b": "a gzip archive", b"PK\x03\x04": "a zip archive", b"PAR1": "a Parquet file"}
_NEWLINE = ord("\n")
_SEPARATORS = re.compile(r"[\t\r\n\0]+")


class ColumnTypes(dict[str, str]):
    """Types of columns by name, which nobody changes.

    pandas makes a deep copy of a table's attributes whenever a column is taken, which would be quadratic.
    """

    def __deepcopy__(self, memo: dict[int, Any]) -> "ColumnTypes":
        return self


class FileFormat(NamedTuple):
    """How atomic files are written; the last arguments of :func:`read_header` and :func:`read_atomic`.

    Attributes:
        separator: Character between two columns.
        encoding: Name of their encoding.
    """

    separator: str = "\t"
    encoding: str = "utf-8"

    @classmethod
    def of(cls, config: Any) -> "FileFormat":
        """Read the values from a configuration."""
        return cls(config["field_separator"], config["encoding"] or "utf-8")


def read_atomic(
    path: str | Path,
    columns: ColumnChoice | None = None,
    separator: str = "\t",
    encoding: str = "utf-8",
    times: Collection[str] = (),
) -> pd.DataFrame:
    """Read one atomic file.

    ``token`` columns and the two ``_seq`` types, which are not split, come as ``str``, ``float`` columns as
    ``float64``. An empty float is a missing value (NaN) in a file of features; in an ``.inter`` file it is an error,
    because the order of the events depends on it. Empty lines at the end are ignored.

    Args:
        path: The file; its first line names the columns as ``name:type``.
        columns: The columns to load, each required; see :data:`ColumnChoice`. By default all of them.
        separator: The character between two fields.
        encoding: The encoding of the file; a byte order mark is accepted.
        times: Columns of times: numbers, or dates, which become seconds since 1970. They may be declared as ``float``
            or ``token``, and are of type ``float`` in the result.

    Returns:
        The rows and the columns in the order of the file. The columns are named without their types, which are in
        ``frame.attrs["types"]`` as ``{name: "token" | "float" | "token_seq" | "float_seq"}``.

    Raises:
        UserError: The file is missing, is empty, has no rows, has another encoding or lacks a required column. Or its
            header has no types or unknown ones. Or a row has another number of fields, an empty ``*_id`` token, a
            float that is not a finite number or an invalid time.
    """
    path = Path(path)
    if len(separator.encode()) != 1 or separator in "\r\n":
        raise UserError(f"field_separator is {separator!r}: it must be one ASCII character that is no line break")
    data = _utf8_bytes(path, encoding)
    header, body = _split_header(data, path)
    types = _parse_header(header.split(separator), path)
    chosen = _choose(columns, types, path)
    rows = _check_fields(body, len(types), separator, path)
    times = {name for name in times if name in chosen and types[name] in ("float", "token")}
    dated = {name for name in times if is_date(_field(body, list(types).index(name), separator, 0))}
    types = types | dict.fromkeys(times, "float")
    frame = _parse(body, types | dict.fromkeys(dated, "token"), chosen, separator, path, times)
    if len(frame) != rows:
        raise UserError(f"{path}: {rows} lines gave {len(frame)} rows; is a control character in it? Write it again")
    for name in chosen:
        if name in dated:
            frame[name] = _seconds(frame[name], path)
        elif types[name] == "float":
            _check_floats(frame[name], path, functools.partial(_field, body, list(types).index(name), separator))
        elif types[name] == "token" and name.endswith("_id"):
            check_ids(frame[name], path)
    frame.attrs["types"] = ColumnTypes((name, types[name]) for name in chosen)
    return frame


def read_header(path: str | Path, separator: str = "\t", encoding: str = "utf-8") -> dict[str, str]:
    """Return the columns of an atomic file as ``{name: type}``, without reading its rows.

    Args:
        path: The file.
        separator: The character between two fields.
        encoding: The encoding of the file; a byte order mark is accepted.

    Raises:
        UserError: The file cannot be read, or its first line does not name columns and types.
    """
    path = Path(path)
    try:
        with open(path, encoding="utf-8-sig" if encoding.lower() in ("utf-8", "utf8") else encoding) as file:
            line = file.readline()
    except (OSError, UnicodeError, LookupError) as error:
        raise UserError(f"{path} cannot be read ({error}): correct the file, or its encoding") from error
    return _parse_header(line.rstrip("\n").split(separator), path)


def write_atomic(path: str | Path, frame: pd.DataFrame, types: Mapping[str, str]) -> None:
    """Write an atomic file, whole or not at all.

    Tabs, line breaks and NUL inside a value become spaces. A missing value becomes an empty field. Whole numbers in
    float columns are written without a fraction.

    Args:
        path: The file to write or to replace.
        frame: The rows, with one column for each entry of ``types``.
        types: ``{name: type}`` in the order of the file's columns.

    Raises:
        UserError: The file cannot be written, or the disk is full.
        ValueError: A type is not one of ``TYPES``.
    """
    unknown = set(types.values()) - set(TYPES)
    if unknown:
        raise ValueError(f"unknown types of atomic columns: {sorted(unknown)}")
    columns = [
        _float_texts(frame[name]) if kind == "float" else _clean_texts(frame[name]) for name, kind in types.items()
    ]
    # Halves of surrogate pairs, which escapes in JSON can leave behind, have no UTF-8 form and become question marks.
    options: dict[str, Any] = {"encoding": "utf-8", "errors": "replace", "newline": "\n"}
    with replacing(path) as temporary, open(temporary, "w", **options) as file:
        file.write("\t".join(f"{name}:{kind}" for name, kind in types.items()) + "\n")
        file.writelines("\t".join(row) + "\n" for row in zip(*columns, strict=True))


def _utf8_bytes(path: Path, encoding: str) -> bytes:
    """Return the file's content as UTF-8 with ``\\n`` line ends and no byte order mark."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise no_file(path) from None
    except OSError as error:
        raise UserError(f"cannot read {path} ({error.strerror}): check the path and its permissions") from error
    if packed := next((name for start, name in _PACKED.items() if data.startswith(start)), None):
        raise UserError(f"{path} is {packed}: unpack it, an atomic file is plain text")
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) and not encoding.lower().startswith("utf-16"):
        raise UserError(f"{path} is UTF-16, not {encoding} text: convert it to UTF-8, or set its encoding to utf-16")
    if not data.strip():
        raise UserError(f"{path} is empty: its first line must name the columns, as in user_id:token")
    try:
        text = data.decode(encoding)
    except LookupError:
        raise UserError(f"unknown encoding {encoding!r}: set encoding to one that Python knows, as utf-8") from None
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        message = f"{path}, line {line}: not {encoding} text; convert the file to UTF-8 or set its encoding"
        raise UserError(message) from None
    if encoding.lower().replace("_", "-") not in ("utf-8", "utf8", "ascii"):
        data = text.encode("utf-8")
    data = data.removeprefix(_UTF8_BOM)
    if b"\r\n" in data:
        data = data.replace(b"\r\n", b"\n")
    if b"\0" in data:
        line = data.count(b"\n", 0, data.index(b"\0")) + 1
        raise UserError(f"{path}, line {line}: a NUL byte, so this is not {encoding} text; convert the file to UTF-8")
    return data


def no_file(path: Path) -> UserError:
    """Return the error of a file that is not there, which names what is."""
    return UserError(f"no file {path}{_what_is_there(path)}")


def _what_is_there(path: Path) -> str:
    """Return the end of a message that names the files near the missing ``path``."""
    if not path.parent.is_dir():
        return f": there is no folder {path.parent}"
    names = sorted(entry.name for entry in path.parent.iterdir() if entry.is_file())
    close = nearest(path.name, names, limit=3) or names[:3]
    return f"; its folder has {', '.join(close)}" if close else ": its folder has no files"


def _split_header(data: bytes, path: Path) -> tuple[str, bytes]:
    """Return the first line as text, and the rows as bytes; each row ends in a line feed."""
    header, _, body = data.partition(b"\n")
    body = body.rstrip(b"\n")
    if not body:
        if b"\r" in header:
            raise UserError(f"{path} has carriage returns alone as line ends: save it with line feeds (\\n)")
        raise UserError(f"{path} has no rows: nothing follows its first line")
    return header.decode("utf-8"), body + b"\n"


def _parse_header(fields: Iterable[str], path: Path) -> dict[str, str]:
    """Return ``{name: type}`` in the file's order."""
    types = {}
    for field in fields:
        name, colon, kind = field.rpartition(":")
        if not colon or not name:
            raise UserError(f"{path}, line 1: column {field!r} has no type; write it as {field or 'name'}:token")
        if kind not in TYPES:
            raise UserError(f"{path}, line 1: column {name!r} has the unknown type {kind!r}; use {', '.join(TYPES)}")
        if name in types:
            raise UserError(f"{path}, line 1: column {name!r} occurs twice; rename or drop one")
        types[name] = kind
    return types


def _choose(columns: ColumnChoice | None, types: dict[str, str], path: Path) -> list[str]:
    """Return the names of the columns to load, in the file's order."""
    if columns is None:
        return list(types)
    columns = set(columns(types) if callable(columns) else columns)
    missing = sorted(name for name in columns if name not in types)
    if missing:
        hint = "" if len(types) > 1 else ": is field_separator the one between its fields?"
        raise UserError(f"{path} has no column {', '.join(map(repr, missing))}; it has {', '.join(types)}{hint}")
    return [name for name in types if name in columns]


def _check_fields(body: bytes, width: int, separator: str, path: Path) -> int:
    """Check that every line has ``width`` fields, because pandas fills short lines silently.

    Returns:
        The number of rows.
    """
    characters = np.frombuffer(body, dtype=np.uint8)
    line_ends = np.flatnonzero(characters == _NEWLINE)
    separators = np.flatnonzero(characters == ord(separator))
    fields = np.diff(np.searchsorted(separators, line_ends), prepend=0) + 1
    wrong = np.flatnonzero(fields != width)
    if len(wrong):
        row = wrong[0]
        split_by = "tabs" if separator == "\t" else repr(separator)
        where = f"{path}, line {row + 2}"
        raise UserError(f"{where} has {fields[row]} of {width} fields; split every row by {split_by}, as the header is")
    return len(line_ends)


def _parse(
    body: bytes,
    types: Mapping[str, str],
    chosen: Sequence[str],
    separator: str,
    path: Path,
    times: Collection[str],
) -> pd.DataFrame:
    """Parse the checked ``body`` with pandas' C engine, without quoting and without guessing types."""
    options: dict[str, Any] = {
        "sep": separator,
        "header": 0,
        "names": list(types),
        "usecols": chosen,
        "engine": "c",
        "quoting": csv.QUOTE_NONE,
        # Exact to the last digit: times may be in nanoseconds.
        "float_precision": "round_trip",
        "keep_default_na": False,
        "lineterminator": "\n",
        "skip_blank_lines": False,
        "index_col": False,
    }
    # A line that is skipped: pandas drops a byte order mark at the start of its input, where it would be a value's.
    first = b"x" + separator.encode() * (len(types) - 1) + b"\n"
    dtype = {name: np.float64 if types[name] == "float" else str for name in chosen}
    # Only an empty float is a missing value; a column of text has none.
    missing = {name: [""] for name in chosen if types[name] == "float"}
    try:
        return pd.read_csv(io.BytesIO(first + body), dtype=dtype, na_values=missing, **options)
    except ValueError:
        # pandas does not say where; read the numbers as text to find the line.
        texts = pd.read_csv(io.BytesIO(first + body), dtype=str, na_filter=False, **options)
        for name in missing:
            numbers = pd.to_numeric(texts[name], errors="coerce")
            bad = np.flatnonzero(numbers.isna() & (texts[name] != ""))
            if len(bad) and name in times:
                text = texts[name].iloc[bad[0]]
                raise _bad_time(path, bad[0], name, text, not_a_time(text, among_numbers=True)) from None
            if len(bad):
                raise _not_a_number(path, bad[0], name, texts[name].iloc[bad[0]]) from None
        raise


def _check_floats(values: pd.Series, path: Path, text_of: Callable[[int], str]) -> None:
    """Check that no number is infinite and, in ``.inter`` files, that none is missing.

    Args:
        values: The numbers.
        path: The file.
        text_of: Returns the text of a row; pandas 3 reads 1e999 as infinite, and pandas 2 as no number.
    """
    bad = ~np.isfinite(values) if path.suffix == ".inter" else np.isinf(values)
    if bad.any():
        row = int(np.argmax(bad))
        raise _not_a_number(path, row, str(values.name), text_of(row))


def _field(body: bytes, column: int, separator: str, row: int) -> str:
    """Return the text of a field; ``row`` counts from 0 after the header."""
    line = body.split(b"\n", row + 1)[row]
    return line.split(separator.encode())[column].decode("utf-8")


def _not_a_number(path: Path, row: int, name: str, value: str) -> UserError:
    """Return the error for a float that is not a finite number; ``row`` counts from 0 after the header."""
    return UserError(f"{path}, line {row + 2}: {name} is {value!r}, not a finite number; correct or drop the line")


def _seconds(texts: pd.Series, path: Path) -> np.ndarray:
    """Return the dates of a column as seconds."""
    try:
        return seconds_of(texts)
    except BadTimeError as error:
        raise _bad_time(path, error.row, texts.name, texts.iloc[error.row], error.why) from None


def _bad_time(path: Path, row: int, name: Any, text: str, why: str) -> UserError:
    """Return the error for an invalid time; ``row`` counts from 0 after the header."""
    return UserError(f"{path}, line {row + 2}: {name} is {text!r}, {why}")


def check_ids(values: pd.Series, path: str | Path) -> None:
    """Check that no identifier is empty.

    Raises:
        UserError: One is; the line is named.
    """
    empty = np.asarray(values == "")
    if empty.any():
        line = int(np.argmax(empty)) + 2
        raise UserError(f"{path}, line {line}: {values.name} is empty; fill it in or drop the line")


def _clean_texts(values: pd.Series) -> list[str]:
    """Return the values as texts without separators, a missing value as an empty text."""
    texts = values.where(values.notna(), "").astype(str).tolist()
    if not _SEPARATORS.search("".join(texts)):
        return texts
    return [_SEPARATORS.sub(" ", text) for text in texts]


def _float_texts(values: pd.Series) -> list[str]:
    """Return the shortest texts that read back as the same numbers, a missing value as an empty text."""
    return [_float_text(value) for value in values.astype(np.float64).tolist()]


def _float_text(value: float) -> str:
    """Return one number as text."""
    if value != value:
        return ""
    return str(int(value)) if value.is_integer() else repr(value)
