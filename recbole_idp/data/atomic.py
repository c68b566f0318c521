"""RecBole's atomic files, read literally: every character between two separators belongs to the value.

RecBole itself reads them with quoting on, so that a title which starts with a quotation mark swallows the lines after
it. Here nothing is a quotation mark, and what is wrong with a file is said with its line number.
"""

import csv
import functools
import io
import re
from pathlib import Path

import numpy as np
import pandas as pd

from recbole_idp.errors import UserError, nearest
from recbole_idp.storage.files import replacing

TYPES = ("token", "float", "token_seq", "float_seq")
# The columns of the .inter files that this package makes.
INTER_TYPES = {"user_id": "token", "item_id": "token", "rating": "float", "timestamp": "float"}

_UTF8_BOM = b"\xef\xbb\xbf"
_NEWLINE = ord("\n")
_SEPARATORS = re.compile(r"[\t\r\n\0]+")


def read_atomic(path, columns=None, separator="\t", encoding="utf-8"):
    """Reads one atomic file.

    ``token`` columns and, unsplit, the two ``_seq`` types come as ``str``, ``float`` columns as ``float64``. An empty
    float is a missing value (NaN) in a file of features; in an ``.inter`` file it is an error, because the order of
    the events hangs on it. An empty line at the end is no row.

    Args:
        path (str | Path): The file; its first line names the columns as ``name:type``.
        columns (Iterable[str] | Callable | None): Names of the columns to load, each required, or a function that is
            given ``{name: type}`` of the file and returns them; all of them by default.
        separator (str): The one character between two fields.
        encoding (str): How the file's characters are stored; a byte order mark is accepted.

    Returns:
        pandas.DataFrame: The rows in the file's order, the columns in the file's order, named without their types,
        which are in ``frame.attrs["types"]`` as ``{name: "token" | "float" | "token_seq" | "float_seq"}``.

    Raises:
        UserError: The file is missing, empty, without rows, in another encoding or lacks a required column; its header
            has no types or unknown ones; a row has another number of fields, an empty ``*_id`` token or a float that
            is not a finite number.
    """
    path = Path(path)
    if len(separator.encode()) != 1 or separator in "\r\n":
        raise UserError(f"field_separator is {separator!r}: it must be one ASCII character that is no line break")
    data = _utf8_bytes(path, encoding)
    header, body = _split_header(data, path)
    types = _parse_header(header.split(separator), path)
    wanted = _choose(columns, types, path)
    rows = _check_fields(body, len(types), separator, path)
    frame = _parse(body, types, wanted, separator, path)
    if len(frame) != rows:
        raise UserError(f"{path}: {rows} lines gave {len(frame)} rows; is a control character in it? Write it anew")
    for name in wanted:
        if types[name] == "float":
            _check_floats(frame[name], path, functools.partial(_field, body, list(types).index(name), separator))
        elif types[name] == "token" and name.endswith("_id"):
            _check_ids(frame[name], path)
    frame.attrs["types"] = {name: types[name] for name in wanted}
    return frame


def write_atomic(path, frame, types):
    """Writes an atomic file, whole or not at all.

    Tabs, line breaks and NUL inside a value become spaces, a missing value becomes an empty field, and whole numbers in
    float columns are written without a fraction.

    Args:
        path (str | Path): The file to write or to replace.
        frame (pandas.DataFrame): The rows, with one column for each entry of ``types``.
        types (dict[str, str]): ``{name: type}`` in the order of the file's columns.

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
    options = {"encoding": "utf-8", "errors": "replace", "newline": "\n"}
    with replacing(path) as temporary, open(temporary, "w", **options) as file:
        file.write("\t".join(f"{name}:{kind}" for name, kind in types.items()) + "\n")
        file.writelines("\t".join(row) + "\n" for row in zip(*columns, strict=True))


def _utf8_bytes(path, encoding):
    """Returns the file's content as UTF-8 with ``\\n`` line ends and no byte order mark."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"no file {path}{_what_is_there(path)}") from None
    except OSError as error:
        raise UserError(f"cannot read {path} ({error.strerror}): check the path and its permissions") from error
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


def _what_is_there(path):
    """Says which files could have been meant instead of the missing ``path``."""
    if not path.parent.is_dir():
        return f": there is no folder {path.parent}"
    names = sorted(entry.name for entry in path.parent.iterdir() if entry.is_file())
    close = nearest(path.name, names, limit=3) or names[:3]
    return f"; its folder has {', '.join(close)}" if close else ": its folder has no files"


def _split_header(data, path):
    """Returns the first line as text, and the rows as bytes of which each line ends in a line feed."""
    header, _, body = data.partition(b"\n")
    body = body.rstrip(b"\n")
    if not body:
        if b"\r" in header:
            raise UserError(f"{path} has carriage returns alone as line ends: save it with line feeds (\\n)")
        raise UserError(f"{path} has no rows: nothing follows its first line")
    return header.decode("utf-8"), body + b"\n"


def _parse_header(fields, path):
    """Returns ``{name: type}`` in the file's order."""
    types = {}
    for field in fields:
        name, colon, kind = field.rpartition(":")
        if not colon or not name:
            raise UserError(f"{path}, line 1: column {field!r} has no type; write it as {field or 'name'}:token")
        if kind not in TYPES:
            raise UserError(f"{path}, line 1: column {name!r} has the unknown type {kind!r}; use {', '.join(TYPES)}")
        if name in types:
            raise UserError(f"{path}, line 1: column {name!r} is there twice; rename or drop one")
        types[name] = kind
    return types


def _choose(columns, types, path):
    """Returns the names of the columns to load, in the file's order."""
    if columns is None:
        return list(types)
    columns = list(columns(types) if callable(columns) else columns)
    missing = sorted(name for name in columns if name not in types)
    if missing:
        hint = "" if len(types) > 1 else ": is field_separator the one between its fields?"
        raise UserError(f"{path} has no column {', '.join(map(repr, missing))}; it has {', '.join(types)}{hint}")
    return [name for name in types if name in columns]


def _check_fields(body, width, separator, path):
    """Checks that every line has ``width`` fields, as pandas fills short lines in silence.

    Returns:
        int: The number of rows.
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


def _parse(body, types, wanted, separator, path):
    """Parses the checked ``body`` with pandas' C engine, all quoting and guessing off."""
    options = {
        "sep": separator,
        "header": 0,
        "names": list(types),
        "usecols": wanted,
        "engine": "c",
        "quoting": csv.QUOTE_NONE,
        # The number that stands there, to its last digit: times may be in nanoseconds.
        "float_precision": "round_trip",
        "keep_default_na": False,
        "lineterminator": "\n",
        "skip_blank_lines": False,
        "index_col": False,
    }
    # A line to be passed over: pandas drops a byte order mark where its input begins, and here it would be a value's.
    first = b"x" + separator.encode() * (len(types) - 1) + b"\n"
    dtype = {name: np.float64 if types[name] == "float" else str for name in wanted}
    # An empty float is the one missing value there is; nothing marks one in a column of text.
    missing = {name: [""] for name in wanted if types[name] == "float"}
    try:
        return pd.read_csv(io.BytesIO(first + body), dtype=dtype, na_values=missing, **options)
    except ValueError:
        # pandas does not say where; read the numbers as text to find the line.
        texts = pd.read_csv(io.BytesIO(first + body), dtype=str, na_filter=False, **options)
        for name in missing:
            numbers = pd.to_numeric(texts[name], errors="coerce")
            bad = np.flatnonzero(numbers.isna() & (texts[name] != ""))
            if len(bad):
                raise _not_a_number(path, bad[0], name, texts[name].iloc[bad[0]]) from None
        raise


def _check_floats(values, path, text_of):
    """Raises at the first infinite number, and in ``.inter`` files at the first missing one.

    Args:
        values (pandas.Series): The numbers.
        path (Path): The file.
        text_of (Callable[[int], str]): Returns what stands in a row; 1e999 is infinite to pandas 3, and no number to 2.
    """
    bad = ~np.isfinite(values) if path.suffix == ".inter" else np.isinf(values)
    if bad.any():
        row = int(np.argmax(bad))
        raise _not_a_number(path, row, values.name, text_of(row))


def _field(body, column, separator, row):
    """Returns the text of a field; ``row`` counts from 0 behind the header."""
    line = body.split(b"\n", row + 1)[row]
    return line.split(separator.encode())[column].decode("utf-8")


def _not_a_number(path, row, name, value):
    """Returns the error for a float that is none; ``row`` counts from 0 behind the header."""
    return UserError(f"{path}, line {row + 2}: {name} is {value!r}, not a finite number; correct or drop the line")


def _check_ids(values, path):
    """Raises at the first empty identifier."""
    empty = np.asarray(values == "")
    if empty.any():
        line = int(np.argmax(empty)) + 2
        raise UserError(f"{path}, line {line}: {values.name} is empty; fill it in or drop the line")


def _clean_texts(values):
    """Returns the values as texts without separators, missing ones as empty."""
    texts = values.where(values.notna(), "").astype(str).tolist()
    if not _SEPARATORS.search("".join(texts)):
        return texts
    return [_SEPARATORS.sub(" ", text) for text in texts]


def _float_texts(values):
    """Returns the shortest texts that give the same numbers again, missing ones as empty."""
    return [_float_text(value) for value in values.astype(np.float64).tolist()]


def _float_text(value):
    """Returns one number as text."""
    if value != value:
        return ""
    return str(int(value)) if value.is_integer() else repr(value)
