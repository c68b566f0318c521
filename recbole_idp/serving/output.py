"""Files of recommendations: parts that are written whole, and joined at the end."""

import csv
import importlib
import json
import shutil

from recbole_idp.errors import UserError


class Jsonl:
    """One user a line: ``{"user": ..., "items": [...], "scores": [...]}``."""

    header = b""

    @staticmethod
    def write(path, rows):
        """Write a part.

        Args:
            path (Path): The file.
            rows (list[tuple[str, list[str], list[float]]]): User, items and scores.
        """
        with open(path, "w", encoding="utf-8", newline="\n") as file:
            for user, items, scores in rows:
                file.write(json.dumps({"user": user, "items": items, "scores": scores}, ensure_ascii=False) + "\n")

    @classmethod
    def join(cls, parts, path):
        """Write the parts one after the other.

        Args:
            parts (list[Path]): The parts, in their order.
            path (Path): The file.
        """
        with open(path, "wb") as joined:
            joined.write(cls.header)
            for part in parts:
                with open(part, "rb") as file:
                    shutil.copyfileobj(file, joined, 1 << 20)


class Csv(Jsonl):
    """One recommendation a line: user, rank, item and score, which the first line names."""

    header = b"user,rank,item,score\n"

    @staticmethod
    def write(path, rows):
        """Write a part; see :meth:`Jsonl.write`."""
        with open(path, "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            for user, items, scores in rows:
                writer.writerows((user, rank, *pair) for rank, pair in enumerate(zip(items, scores, strict=True), 1))


class Parquet:
    """One user a row: user, items and scores. Needs pyarrow, which the package does not install."""

    @staticmethod
    def write(path, rows):
        """Write a part; see :meth:`Jsonl.write`."""
        import pyarrow
        import pyarrow.parquet

        kinds = (pyarrow.string(), pyarrow.list_(pyarrow.string()), pyarrow.list_(pyarrow.float32()))
        columns = zip(*rows, strict=True)
        arrays = [pyarrow.array(list(column), kind) for column, kind in zip(columns, kinds, strict=True)]
        pyarrow.parquet.write_table(pyarrow.table(arrays, ["user", "items", "scores"]), path)

    @staticmethod
    def join(parts, path):
        """Write each part as a group of rows; see :meth:`Jsonl.join`."""
        import pyarrow.parquet

        with pyarrow.parquet.ParquetWriter(path, pyarrow.parquet.read_schema(parts[0])) as writer:
            for part in parts:
                writer.write_table(pyarrow.parquet.read_table(part))


FORMATS = {".jsonl": Jsonl, ".csv": Csv, ".parquet": Parquet}
"""The forms of output by the ending of the file's name."""


def output_format(path):
    """Return the form that a file's name asks for.

    Args:
        path (Path): The file.

    Returns:
        type: With ``write(path, rows)`` and ``join(parts, path)``.

    Raises:
        UserError: The ending is unknown, or what the form needs is not installed.
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
