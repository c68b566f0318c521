"""Read vectors that a user brings from a file, whatever its form. Nothing in a file is executed."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from recbole_idp.content.text.own.table import VectorTable, checked_table
from recbole_idp.content.text.own.unisrec import is_unisrec, read_unisrec
from recbole_idp.errors import UserError
from recbole_idp.storage.files import json_value, parse_json, sha256_of_file
from recbole_idp.terminal.printable import printable

COLUMN = "column:"
"""How a column of the ``.item`` file is named instead of a file."""

_FORMS = ".npy, .safetensors, .parquet, UniSRec's .feat1CLS, or column:NAME of the .item file"
_ID_COLUMNS = ("item_id", "id", "item", "asin")
_MOST_ID_BYTES = 1 << 30


def read_vectors(path: str | Path) -> VectorTable:
    """Read a file of vectors, once in a process as long as it does not change.

    Args:
        path: ``NAME.npy`` with ``NAME.ids.txt`` or ``NAME.ids.json`` beside it; ``NAME.safetensors``; ``NAME.parquet``;
            or UniSRec's ``NAME.feat1CLS`` with ``NAME.item2index``.

    Returns:
        The vectors by item id.

    Raises:
        UserError: The file is missing or damaged, or is not what its name says; or ids and vectors do not fit.
    """
    path = Path(path)
    found = vector_files(path)
    try:
        state = tuple((file, file.stat().st_mtime_ns, file.stat().st_size) for file in found)
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): give another file of vectors") from error
    return _read(path, state)


def vector_files(path: str | Path) -> list[Path]:
    """Return a file of vectors, and the file of its ids if that is another one.

    Raises:
        UserError: It has the ending of no form, or is no file.
    """
    path = Path(path)
    try:
        is_file = path.is_file()
    except (OSError, ValueError):
        is_file = False
    if not is_file:
        raise UserError(f"{printable(path)[:300]} is no file: give a file of vectors ({_FORMS})")
    _reader_of(path)
    beside = [file for file in _ids_beside(path) if file.is_file()]
    return [path, *beside]


def given_hashes(given: Iterable[str | None]) -> list[str]:
    """Return the SHA-256 of files of vectors and of their ids; columns of ``.item`` files are counted with these.

    Args:
        given: Values of ``text_vectors`` and ``source_text_vectors``.
    """
    files = [value for value in given if value and not value.startswith(COLUMN)]
    return [sha256_of_file(file) for path in files for file in vector_files(path)]


@functools.lru_cache(maxsize=32)
def _read(path: Path, state: Any) -> VectorTable:
    """Read a file; ``state`` says when its content is another one."""
    try:
        return _reader_of(path)(path)
    except MemoryError:
        raise UserError(
            f"{path} does not fit into memory: write its vectors as .npy, which is not read whole"
        ) from None


def _reader_of(path: Path) -> Callable[[Path], VectorTable]:
    """Return what reads a file of this name."""
    if is_unisrec(path):
        return read_unisrec
    reader = {".npy": _read_npy, ".safetensors": _read_safetensors, ".parquet": _read_parquet}.get(path.suffix.lower())
    if reader is None:
        raise UserError(f"{path} has the ending of no file of vectors: write {_FORMS}")
    return reader


def _ids_beside(path: Path) -> list[Path]:
    """Return the files that may hold the ids of a file of vectors."""
    if is_unisrec(path):
        return [path.with_suffix(".item2index")]
    if path.suffix.lower() == ".parquet":
        return []
    return [path.with_suffix(".ids.txt"), path.with_suffix(".ids.json")]


def _read_npy(path: Path) -> VectorTable:
    """Read an array, which stays in the file until rows are asked for, and the ids beside it."""
    with open(path, "rb") as file:
        if file.read(6) != b"\x93NUMPY":
            raise UserError(f"{path} is no .npy file: write it by numpy.save")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a shape that no file can have
            vectors = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # a header that is not numpy's can raise anything
        raise UserError(f"{path} is damaged or holds no numbers ({_line(error)}): write it by numpy.save") from error
    return checked_table(str(path), vectors, *_read_ids(path))


def _read_safetensors(path: Path) -> VectorTable:
    """Read the only table of a file, or the one named vectors; its ids are in the metadata or beside the file."""
    from safetensors import safe_open

    try:
        with safe_open(path, framework="pt") as file:
            names, metadata = list(file.keys()), file.metadata() or {}
            name = names[0] if len(names) == 1 else "vectors"
            if name not in names:
                listed = ", ".join(printable(name) for name in names[:5]) or "nothing"
                raise UserError(f"{path} holds {listed[:200]}: write one tensor, or name that of the vectors vectors")
            tensor = file.get_tensor(name)
        # NumPy has no bfloat16.
        vectors = (tensor.float() if tensor.is_floating_point() else tensor).numpy()
    except UserError:
        raise
    except Exception as error:  # the library's own, those of its binding, and those of PyTorch
        raise UserError(f"{path} is no safetensors file, or damaged ({_line(error)}): write it again") from error
    if "ids" not in metadata:
        return checked_table(str(path), vectors, *_read_ids(path, "metadata ids, a JSON list,"))
    try:
        ids = _id_list(json_value(metadata["ids"]))
    except ValueError as error:
        raise UserError(f"{path}: its metadata ids are no JSON list of ids ({_line(error)}): write them so") from error
    return checked_table(str(path), vectors, ids, f"{path} (metadata ids)")


def _read_parquet(path: Path) -> VectorTable:
    """Read a column of ids and a column of lists, block by block."""
    try:
        import pyarrow.parquet as pq
        from pyarrow import types
    except ImportError:
        raise UserError(
            f"{path} needs the package pyarrow: pip install recbole-idp[parquet], or write the vectors as .npy"
        ) from None
    try:
        with pq.ParquetFile(path) as file:
            schema = file.schema_arrow
            lists = [field.name for field in schema if _is_list_of_floats(field.type)]
            plain = [field.name for field in schema if types.is_string(field.type) or types.is_large_string(field.type)]
            plain += [field.name for field in schema if types.is_integer(field.type)]
            id_column, column = _parquet_columns(path, plain, lists)
            ids: list[str] = []
            parts: list[np.ndarray] = []
            for batch in file.iter_batches(1 << 14, columns=[id_column, column]):
                new_ids, values = batch.column(id_column), batch.column(column)
                if new_ids.null_count:
                    raise UserError(f"{path}: column {id_column} has rows without an id: leave them out")
                rows = values.drop_null()
                widths = set(rows.value_lengths().to_pylist()) if len(rows) else set()
                if len(widths | {part.shape[1] for part in parts}) > 1:
                    raise UserError(f"{path}: column {column} has vectors of several widths: write one width")
                if not len(rows):
                    continue
                # Rows without a vector are items without one.
                ids += [str(one) for one in new_ids.filter(values.is_valid()).to_pylist()]
                numbers = rows.flatten().to_numpy(zero_copy_only=False).astype(np.float32)
                parts.append(numbers.reshape(len(rows), -1))
    except UserError:
        raise
    except Exception as error:  # pyarrow's own, and those of a damaged file
        raise UserError(f"{path} is no Parquet file, or damaged ({_line(error)}): write it again") from error
    if not parts:
        raise UserError(f"{path} has no vectors: write one row an item")
    return checked_table(f"{path} (column {column})", np.concatenate(parts), ids, f"{path} (column {id_column})")


def _is_list_of_floats(kind: Any) -> bool:
    """Return whether a type of Arrow is one of lists of floating-point numbers."""
    from pyarrow import types

    is_list = types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)
    return is_list and types.is_floating(kind.value_type)


def _parquet_columns(path: Path, plain: list[str], lists: list[str]) -> tuple[str, str]:
    """Return the columns of ids and of vectors."""
    ids = next((name for name in _ID_COLUMNS if name in plain), plain[0] if len(plain) == 1 else None)
    vectors = "vector" if "vector" in lists else lists[0] if len(lists) == 1 else None
    if ids is None:
        found = f"{', '.join(plain[:8])} may all be" if plain else "no column may be"
        raise UserError(f"{path}: {found} its ids: name the column of item ids item_id")
    if vectors is None:
        found = f"{', '.join(lists[:8])} may all be" if lists else "no column of lists of floating-point numbers is"
        raise UserError(f"{path}: {found} its vectors: name the column vector")
    return ids, vectors


def _read_ids(path: Path, or_else: str = "") -> tuple[list[str], str]:
    """Return the ids that lie beside a file of vectors, and the file that holds them."""
    places = _ids_beside(path)
    found = [file for file in places if file.is_file()]
    if len(found) != 1:
        wanted = " or ".join([*([or_else.rstrip(",")] if or_else else []), *(file.name for file in places)])
        what = "both files of ids" if found else "no ids"
        raise UserError(f"{path} has {what}: give {wanted}" + (", one of them alone" if found else ", one id a vector"))
    (file,) = found
    try:
        if file.suffix == ".json":
            return _id_list(parse_json(file, _MOST_ID_BYTES)), str(file)
        lines = file.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, ValueError) as error:
        raise UserError(f"{file} is no list of ids ({_line(error)}): write one id a line") from error
    ids = [line.rstrip("\r") for line in lines]
    return ids[:-1] if ids[-1] == "" else ids, str(file)


def _id_list(value: Any) -> list[str]:
    """Return ids as texts; ValueError where a JSON value is no list of them."""
    if not isinstance(value, list):
        raise ValueError("it is no list")
    if wrong := next((one for one in value if type(one) not in (str, int)), None):
        raise ValueError(f"{printable(wrong)[:40]} is no id")
    if any(type(one) not in (str, int) for one in value):
        raise ValueError("a value is no id")
    return [str(one) for one in value]


def _line(error: BaseException) -> str:
    """Return an error's text as one short line."""
    return printable(" ".join(str(error).split()))[:200] or type(error).__name__
