"""Identify the content of a dataset's files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recbole_idp.storage.files import sha256_of_file

if TYPE_CHECKING:
    from recbole_idp.data.catalog import DatasetLocation


def content_hashes(location: DatasetLocation, with_items: bool = True) -> dict[str, str]:
    """Return the SHA-256 of a dataset's ``.inter`` file and, if it has one, of its ``.item`` file, by suffix.

    A fixed split has three files of interactions, by suffixes such as ``train.inter``.

    Args:
        location: Where the dataset is.
        with_items: Whether the ``.item`` file counts.
    """
    files = {path.name.removeprefix(f"{location.stem}."): path for path in location.inter_files}
    if with_items:
        files["item"] = location.item_file
    return {suffix: sha256_of_file(path) for suffix, path in files.items() if path is not None and path.is_file()}
