"""Identify the pictures of a dataset by their content."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recbole_idp.content.image.cache import distinct_pictures
from recbole_idp.data.item_pictures import item_pictures
from recbole_idp.storage.files import fingerprint

if TYPE_CHECKING:
    from recbole_idp.data.catalog import DatasetLocation
    from recbole_idp.data.item_text import ItemFileFormat


def picture_digest(location: DatasetLocation, field: str | None, key: str, file_format: ItemFileFormat) -> str:
    """Return digits for the content of all pictures that a dataset names.

    Args:
        location: Where the dataset lies.
        field: The column that names them; None: the usual ones.
        key: The setting that names the column, for messages.
        file_format: Format of the ``.item`` file.

    Raises:
        UserError: As of :func:`~recbole_idp.data.item_pictures.item_pictures`.
    """
    named = sorted(item_pictures(location, field, key, file_format).paths.items())
    _, hashes, places, _ = distinct_pictures([path for _, path in named])
    return fingerprint([[token for token, _ in named], [one.hex() for one in hashes], places.tolist()])
