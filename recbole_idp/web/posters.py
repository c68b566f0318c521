"""Posters: the pictures of items, read from the folder of their dataset and from nowhere else."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from recbole_idp.errors import UserError

if TYPE_CHECKING:
    from recbole_idp.serving.answering import TrainedItems

_MOST_BYTES = 8 << 20
# Pictures that run nothing, by their first bytes: a name says nothing, and SVG is a document with scripts.
_KINDS = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg", b"GIF8": "image/gif"}


class Poster(NamedTuple):
    """A picture.

    Attributes:
        content: The bytes of its file.
        media_type: What they are.
    """

    content: bytes
    media_type: str


class Posters:
    """The pictures that an ``.item`` file names.

    A client names an item and never a file. Whatever the file names, and wherever symbolic links lead, now or later,
    only files in its own folder are read.

    Args:
        trained: The model, whose configuration says how ``.item`` files are written.
        path: The ``.item`` file; names of pictures are relative to its folder.
        field: The column that names them; None: the usual one.

    Raises:
        UserError: The file cannot be read, has no such column, or names a file outside its folder.
    """

    def __init__(self, trained: TrainedItems, path: str | Path, field: str | None) -> None:
        from recbole_idp.data.catalog import DatasetLocation
        from recbole_idp.data.item_pictures import item_pictures
        from recbole_idp.data.item_text import ItemFileFormat

        path = Path(path)
        if not path.is_file() or path.suffix != ".item":
            raise UserError(f"{path} is no .item file: give --items=DIR/NAME/NAME.item")
        config = trained.description["config"]
        form = ItemFileFormat(
            config.get("ITEM_ID_FIELD", "item_id"),
            separator=config.get("field_separator", "\t"),
            encoding=config.get("encoding") or "utf-8",
        )
        location = DatasetLocation(path.stem, path.parent, path.stem, str(path))
        self._root = Path(os.path.realpath(path.parent))
        paths = item_pictures(location, field, "--image_field", form).paths
        self._paths = {number: paths[token] for number, token in enumerate(trained.tokens, 1) if token in paths}

    def __contains__(self, number: int) -> bool:
        """Return whether a picture is named for the item of a number."""
        return number in self._paths

    def __len__(self) -> int:
        """Return the number of items that a picture is named for."""
        return len(self._paths)

    def read(self, number: int) -> Poster | None:
        """Read the picture of an item.

        Args:
            number: The item's number.

        Returns:
            The picture; None where there is none, or no picture of a kind that runs nothing.
        """
        path = self._paths.get(number)
        if path is None:
            return None
        # The file may have become a link since the names were read.
        real = Path(os.path.realpath(path))
        if not real.is_relative_to(self._root) or not real.is_file() or real.stat().st_size > _MOST_BYTES:
            return None
        content = real.read_bytes()
        kinds = [kind for first, kind in _KINDS.items() if content.startswith(first)]
        if not kinds and content[:4] == b"RIFF" and content[8:12] == b"WEBP":
            kinds = ["image/webp"]
        return Poster(content, kinds[0]) if kinds else None
