"""Write files of recommendations: parts that are written whole, and joined at the end."""

from __future__ import annotations

import csv
import importlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from recbole_idp.errors import UserError


class Jsonl:
    """One user a line: ``{"user": ..., "items": [...], "scores": [...]}``."""

    header = b""

    @staticmethod
    def write(path: Path, rows: list[tuple[str, list[str], list[float]]]) -> None:
        """Write a part.

        Args:
            path: The file.
            rows: User, items and scores.
        """
        with open(path, "w", encoding="utf-8", newline="\n") as file:
            for user, items, scores in rows:
                file.write(json.dumps({"user": user, "items": items, "scores": scores}, ensure_ascii=False) + "\n")

    @classmethod
    def join(cls, parts: list[Path], path: Path) -> None:
        """Join the parts, one after the other.

        Args:
            parts: The files of the parts, in order.
            path: The file.
        """
        with open(path, "wb") as joined:
            joined.write(cls.header)
            for part in parts:
                with open(part, "rb") as file:
                    shutil.copyfileobj(file, joined, 1 << 20)


class Csv(Jsonl):
    """One recommendation a line: user, rank, item and score; the first line names the columns."""

    header = b"user,rank,item,score\n"

    @staticmethod
    def write(path: Path, rows: Sequence[tuple[str, list[str], list[float]]]) -> None:
        """Write a part; see :meth:`Jsonl.write`."""
        with open(path, "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            for user, items, scores in rows:
                writer.writerows((user, rank, *pair) for rank, pair in enumerate(zip(items, scores, strict=True), 1))


class Parquet:
    """One user a row: user, items and scores. Needs pyarrow, which the package does not install."""

    @staticmethod
    def write(path: Path, rows: Sequence[tuple[str, list[str], list[float]]]) -> None:
        """Write a part; see :meth:`Jsonl.write`."""
        import pyarrow
        import pyarrow.parquet

        kinds = (pyarrow.string(), pyarrow.list_(pyarrow.string()), pyarrow.list_(pyarrow.float32()))
        columns = zip(*rows, strict=True)
        arrays = [pyarrow.array(list(column), kind) for column, kind in zip(columns, kinds, strict=True)]
        pyarrow.parquet.write_table(pyarrow.table(arrays, ["user", "items", "scores"]), path)

    @staticmethod
    def join(parts: Sequence[Path], path: Path) -> None:
        """Join the parts, each as a row group; see :meth:`Jsonl.join`."""
        import pyarrow.parquet

        with pyarrow.parquet.ParquetWriter(path, pyarrow.parquet.read_schema(parts[0])) as writer:
            for part in parts:
                writer.write_table(pyarrow.parquet.read_table(part))


FORMATS = {".jsonl": Jsonl, ".csv": Csv, ".parquet": Parquet}
"""The output formats by file extension."""


def output_format(path: Path) -> type[Any]:
    """Return the output format for a file's extension.

    Args:
        path: The file.

    Returns:
        The class of the format, with ``write(path, rows)`` and ``join(parts, path)``.

    Raises:
        UserError: The extension is unknown, or a package for the format is missing.
    """
    found = FORMATS.get(path.suffix.lower())
    if found is None:
        raise UserError(f"--out={path} ends in {path.suffix or 'nothing'}: choose one of {', '.join(FORMATS)}")
    if found is Parquet:
        try:
            importlib.import_module("pyarrow.parquet")
        except ImportError as error:
            # Version 26 wants NumPy 2, which RecBole cannot run with; 24 is the newest tested.
            remedy = 'pip install "pyarrow>=14,<25", or choose .jsonl or .csv'
            raise UserError(f"writing {path} needs pyarrow ({error}): {remedy}") from error
    return found
