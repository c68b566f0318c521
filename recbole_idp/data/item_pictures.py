"""Find the picture of every item: the files that a column of an ``.item`` file names."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from recbole_idp.data.atomic import check_ids, read_atomic
from recbole_idp.data.domain_texts import item_field_of, item_file_of
from recbole_idp.data.item_text import check_distinct
from recbole_idp.errors import UserError, nearest

if TYPE_CHECKING:
    from recbole_idp.data.catalog import DatasetLocation
    from recbole_idp.data.item_text import ItemFileFormat

USUAL_FIELDS = ("poster", "image", "picture", "cover")
"""Columns that are taken where none is named, the first that there is."""


@dataclass(frozen=True)
class ItemPictures:
    """The files of items' pictures.

    Attributes:
        paths: Item token -> its file, which lies in the dataset's folder, and may be missing. Items that name none are
            left out.
        field: The column that names them.
        tokens: All items of the file.
    """

    paths: dict[str, Path]
    field: str
    tokens: list[str]

    def for_items(self, tokens: Iterable[str]) -> list[Path | None]:
        """Return the files of items, None for an item without one.

        Args:
            tokens: Item tokens.
        """
        return [self.paths.get(token) for token in tokens]


def has_picture_column(columns: Iterable[str]) -> bool:
    """Return whether one of the columns of a file is taken for that of pictures where none is named."""
    return not set(USUAL_FIELDS).isdisjoint(columns)


def item_pictures(location: DatasetLocation, field: str | None, key: str, file_format: ItemFileFormat) -> ItemPictures:
    """Read which file holds the picture of each item of a dataset.

    Args:
        location: Where the dataset lies. Names of pictures are relative to the folder of its ``.item`` file.
        field: The column that names them; None: the first of :data:`USUAL_FIELDS` that there is.
        key: The setting that names the column, for messages.
        file_format: Format of the file.

    Returns:
        The files. None of them lies outside the folder, wherever symbolic links lead.

    Raises:
        UserError: There is no such file, or it cannot be read, lacks the column, has an item twice, or names a file
            outside the folder.
    """
    path = item_file_of(location, "pictures", "which names a file for each")
    return read_item_pictures(path, item_field_of(path, file_format), field, key, file_format)


def read_item_pictures(
    path: Path, item_field: str, field: str | None, key: str, file_format: ItemFileFormat
) -> ItemPictures:
    """Read which file holds the picture of each item of an ``.item`` file.

    Args:
        path: The file. Names of pictures are relative to its folder.
        item_field: The column of item tokens.
        field: As of :func:`item_pictures`, like the following ones and the errors.
        key: As there.
        file_format: As there.
    """
    chosen = ""

    def choose(types: dict[str, str]) -> list[str]:
        """Return the columns to read of a file with these columns."""
        nonlocal chosen
        if item_field not in types:
            raise UserError(f"{path} has no column {item_field!r} of item ids; it has {', '.join(types)}")
        chosen = _column(types, field, item_field, key, path)
        return [item_field, chosen]

    frame = read_atomic(path, choose, file_format.separator, file_format.encoding)
    check_ids(frame[item_field], path)
    check_distinct(frame[item_field], path)
    root = Path(os.path.realpath(path.parent))
    named = ((token, name.strip()) for token, name in zip(frame[item_field], frame[chosen], strict=True))
    paths = {token: _inside(root, name, f"{path}: item {token!r}") for token, name in named if name}
    return ItemPictures(paths, chosen, frame[item_field].tolist())


def _column(types: dict[str, str], field: str | None, item_field: str, key: str, path: Path) -> str:
    """Return the column that names pictures."""
    columns = [name for name in types if name != item_field]
    if field is None:
        found = [name for name in USUAL_FIELDS if name in columns]
        if not found:
            raise UserError(
                f"{path} has no column of pictures: name one, which holds names of files, in {key}; it has "
                f"{', '.join(columns)}"
            )
        field = found[0]
    if field not in columns:
        close = nearest(field, columns)
        hint = f" (did you mean {close[0]!r}?)" if close else ""
        raise UserError(f"{path} has no column {field!r}{hint}, which {key} names; it has {', '.join(columns)}")
    if types[field].startswith("float"):
        raise UserError(f"{path}: column {field!r} holds numbers, and {key} names a column of names of picture files")
    return field


def _inside(root: Path, name: str, where: str) -> Path:
    """Return a file in a folder, without symbolic links.

    Args:
        root: The folder, without symbolic links.
        name: The file, relative to it.
        where: Who names it.

    Raises:
        UserError: It lies elsewhere.
    """
    path = Path(os.path.realpath(root / name))
    if not path.is_relative_to(root):
        raise UserError(
            f"{where} has the picture {name[:200]}, which lies outside {root}, and is not read: put pictures into the "
            "dataset's folder, where links do not lead out of it"
        )
    return path
