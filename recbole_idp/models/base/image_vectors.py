"""The pictures of a target's items."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from recbole_idp.config.derive import data_root
from recbole_idp.data.catalog import locate

if TYPE_CHECKING:
    from pathlib import Path

    from recbole_idp.content.image.encoding import ImageEncoding
    from recbole_idp.data.dataset import SequenceDataset


def input_pictures(encoding: ImageEncoding, dataset: SequenceDataset) -> list[Path | None]:
    """Find the pictures of all items that stand in a dataset's histories: its own, and those of joined domains.

    Args:
        encoding: Columns of the pictures.
        dataset: The target.

    Returns:
        File of inputs 1 to I - 1, None where an item names none.

    Raises:
        UserError: The dataset, or a joined domain, has no such column, or names a file outside its folder.
    """
    pictures = encoding.pictures(dataset.location, dataset.item_tokens()[1:], source=False)
    # Items of joined domains stand together by domain.
    for name, items in itertools.groupby(dataset.history_items, key=lambda item: item.domain):
        location = locate(name, data_root(dataset.config))
        pictures += encoding.pictures(location, [item.token for item in items], source=True)
    return pictures
