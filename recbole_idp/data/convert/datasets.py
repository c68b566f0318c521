"""Make the folders of converted datasets: checked before any work, and whole or not at all."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from recbole_idp.data.folders import SOURCE_FILE, dataset_folder, write_source
from recbole_idp.errors import UserError
from recbole_idp.storage.folders import only_folder


def free_folder(output: str | Path, name: str) -> Path:
    """Return the folder of a dataset that is to be made.

    Args:
        output: The folder of datasets.
        name: The name of the dataset.

    Raises:
        UserError: The name is invalid, or the folder exists already.
    """
    folder = dataset_folder(output, name)
    if not name.isprintable():
        raise UserError(f"{name!r} cannot be printed: choose another name for the data set")
    if folder.exists():
        raise UserError(f"{folder} exists already: delete it or choose another name")
    return folder


@contextlib.contextmanager
def building_dataset(folder: Path, **facts: Any) -> Iterator[Path]:
    """Yield a temporary folder that becomes ``folder`` if the block ends without an exception.

    Args:
        folder: The folder, see :func:`free_folder`.
        **facts: What ``source.json`` says about the files' origin.

    Raises:
        UserError: The folder cannot be written, or another process has made it meanwhile.
    """
    with only_folder(folder, note=SOURCE_FILE) as building:
        write_source(building, **facts)
        yield building


@contextlib.contextmanager
def building_file(path: Path, columns: str) -> Iterator[Any]:
    """Yield a new atomic file, open for writing, whose first line is written.

    Args:
        path: The file, in a temporary folder.
        columns: The columns with their types, separated by spaces.
    """
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        file.write("\t".join(columns.split()) + "\n")
        yield file
