"""Fill a file of vectors from any function that makes them, such as one that asks a service."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from recbole_idp.content.text.own.table import check_shape
from recbole_idp.errors import UserError
from recbole_idp.storage.files import refusing_failed_writes, replacing, write_json, write_text
from recbole_idp.storage.locks import alone
from recbole_idp.terminal.progress import progress_bar

if TYPE_CHECKING:
    import os


def write_text_vectors(
    path: str | os.PathLike[str],
    ids: Sequence[str],
    texts: Sequence[str],
    encode: Callable[[list[str]], Any],
    chunk: int = 256,
    show_progress: bool = True,
) -> Path:
    """Make the vectors of texts by any function, and write them as ``--text_vectors`` reads them.

    ids, texts -> chunks -> ``encode`` -> ``NAME.parts/``, a file a chunk -> ``NAME.npy`` and ``NAME.ids.txt``

    What an interrupted call has encoded is kept beside the file, and the next call with the same ids, texts and chunk
    goes on behind it: a service is asked for each text once. A blank text is not encoded; its vector is zero.

    Args:
        path: The file to write, ``NAME.npy``.
        ids: Item ids, distinct; length N.
        texts: Their texts.
        encode: Takes up to ``chunk`` texts, returns their vectors in the same order, as a list of lists or an array.
        chunk: Texts of one call of ``encode``.
        show_progress: Whether to draw a progress bar on standard error.

    Returns:
        The file.

    Raises:
        UserError: Ids and texts do not fit each other; ``encode`` returns something else than finite vectors of one
            width, one a text; or the files cannot be written. Exceptions of ``encode`` pass through.
    """
    path = Path(path)
    if path.suffix != ".npy":
        raise UserError(f"{path} is written as NumPy's file: name it {path.stem or 'vectors'}.npy")
    _check_items(ids, texts)
    if chunk < 1:
        raise UserError(f"chunk must be 1 or more, but is {chunk}")
    parts = path.with_suffix(".parts")
    with alone(path.with_name(f".{path.name}.lock"), path):
        _begin(parts, ids, texts, chunk)
        wanted = [place for place, text in enumerate(texts) if text.strip()]
        blocks = [wanted[start : start + chunk] for start in range(0, len(wanted), chunk)]
        width: int | None = None
        with progress_bar(shown=show_progress, total=len(wanted), desc="encode texts", unit="item") as bar:
            for number, block in enumerate(blocks):
                file = parts / f"{number:08}.npy"
                if (found := _kept(file, len(block), width)) is None:
                    found = _checked(encode([texts[place] for place in block]), len(block), width)
                    with replacing(file) as temporary, open(temporary, "wb") as opened:
                        np.save(opened, found)
                width = found.shape[1]
                bar.update(len(block))
        if width is None:
            raise UserError("none of the texts has a word: there is nothing to encode")
        _join(path, parts, blocks, (len(ids), width), ids)
        for number in range(len(blocks)):
            (parts / f"{number:08}.npy").unlink(missing_ok=True)
        (parts / _ABOUT).unlink(missing_ok=True)
        parts.rmdir()
    return path


_ABOUT = "about.json"


def _check_items(ids: Sequence[str], texts: Sequence[str]) -> None:
    """Check that there is one text an id, and that ids can be written one a line."""
    if len(ids) != len(texts) or not len(ids):
        raise UserError(f"there are {len(ids):,} ids and {len(texts):,} texts: give one text an id")
    if len(set(ids)) < len(ids):
        raise UserError(f"of {len(ids):,} ids {len(ids) - len(set(ids)):,} are there twice: give each item once")
    for token in ids:
        if not isinstance(token, str) or not token or set(token) & set("\r\n\t"):
            raise UserError(f"{token!r} is no item id: give texts without line breaks and tabs")


def _begin(parts: Path, ids: Sequence[str], texts: Sequence[str], chunk: int) -> None:
    """Make the folder of the chunks, empty where it is of other items."""
    digest = hashlib.sha256(json.dumps([list(ids), list(texts), chunk]).encode()).hexdigest()
    about = parts / _ABOUT
    with refusing_failed_writes(parts):
        parts.mkdir(parents=True, exist_ok=True)
        try:
            same = json.loads(about.read_text(encoding="utf-8")) == {"items": digest}
        except (OSError, ValueError):
            same = False
        if not same:
            if others := [one for one in parts.iterdir() if one.suffix != ".npy" and one != about]:
                raise UserError(f"{parts} holds {others[0].name}, which is not of this file: move the folder away")
            for file in parts.glob("*.npy"):
                file.unlink()
            write_json(about, {"items": digest})


def _kept(file: Path, count: int, width: int | None) -> np.ndarray | None:
    """Return a chunk of an interrupted call; None where it is missing or does not fit."""
    try:
        found = np.load(file, allow_pickle=False)
    except Exception:  # whatever it is, it is encoded again
        return None
    fits = isinstance(found, np.ndarray) and found.dtype == np.float32 and found.ndim == 2 and len(found) == count
    return found if fits and (width is None or found.shape[1] == width) and np.isfinite(found).all() else None


def _checked(found: Any, count: int, width: int | None) -> np.ndarray:
    """Return the vectors of one chunk as float32, checked."""
    try:
        vectors = np.asarray(found)
    except ValueError as error:
        raise UserError(f"encode returns vectors of several widths ({error}): return one width") from error
    if vectors.dtype.kind in "iu":
        vectors = vectors.astype(np.float64)
    check_shape("what encode returns", vectors)
    if len(vectors) != count or (width is not None and vectors.shape[1] != width):
        raise UserError(
            f"encode returns {len(vectors):,} vectors of {vectors.shape[1]:,} numbers for {count:,} texts"
            + (f", and {width:,} numbers before" if width is not None else "")
            + ": return one vector a text, all of one width"
        )
    with np.errstate(over="ignore"):
        vectors = vectors.astype(np.float32)
    if not np.isfinite(vectors).all():
        raise UserError("encode returns values that are not finite numbers of 32 bits: mend it")
    return vectors


def _join(path: Path, parts: Path, blocks: Sequence[Sequence[int]], shape: tuple[int, int], ids: Sequence[str]) -> None:
    """Write ids and vectors, chunk by chunk; the vectors last, as a file of vectors without ids is none."""
    write_text(path.with_suffix(".ids.txt"), "\n".join(ids) + "\n")
    with replacing(path) as temporary:
        table = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.float32, shape=shape)
        for number, block in enumerate(blocks):
            table[block] = np.load(parts / f"{number:08}.npy", allow_pickle=False)
        table.flush()
