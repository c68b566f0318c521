"""Turn raw Amazon review and metadata files, of the releases of 2014, 2018 and 2023, into atomic files.

reviews -> interactions -> duplicates dropped -> k-core -> sorted -> .inter
metadata of the items that are left -> cleaned texts -> .item
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from recbole_idp.data.amazon.filtering import core_mask
from recbole_idp.data.amazon.items import ITEM_TYPES, read_metadata
from recbole_idp.data.amazon.lines import RawFile
from recbole_idp.data.amazon.reviews import read_reviews, review_layout
from recbole_idp.data.atomic import INTER_TYPES, write_atomic
from recbole_idp.data.folders import SOURCE_FILE, dataset_folder, write_source
from recbole_idp.errors import UserError
from recbole_idp.storage.folders import only_folder


@dataclass(frozen=True)
class ConversionSummary:
    """What :func:`convert_amazon` read and wrote.

    Attributes:
        name: The name of the data set.
        folder: The folder of its files.
        layout: The layout found: ``2014``, ``2018``, ``2023`` or ``ratings``.
        users: Users written.
        items: Items written.
        interactions: Interactions written.
        duplicates: Interactions dropped because of an earlier one with the same user, item and time.
        filtered: Interactions dropped by ``k_core`` and ``min_length``.
        malformed: Lines skipped in both files.
        without_title: Items written without a title in the metadata; all of them if there is no metadata.
    """

    name: str
    folder: Path
    layout: str
    users: int
    items: int
    interactions: int
    duplicates: int
    filtered: int
    malformed: int
    without_title: int

    def __str__(self) -> str:
        return (
            f"{self.name} ({self.layout} layout): {self.users} users, {self.items} items, "
            f"{self.interactions} interactions in {self.folder}; {self.without_title} items without title; "
            f"dropped {self.duplicates} duplicates, {self.filtered} by the filters, {self.malformed} malformed lines"
        )


def convert_amazon(
    reviews: str | Path,
    metadata: str | Path | None,
    name: str,
    output: str | Path,
    k_core: int | None = None,
    min_length: int | None = None,
) -> ConversionSummary:
    """Convert one Amazon category to ``output/name/name.inter`` and, with metadata, ``name.item``.

    The layout is recognised by the content, and gzip by its first bytes. Interactions are grouped by user, in the order
    of the users' first reviews. The interactions of a user are sorted by time; those of one time keep the order of the
    file. Timestamps are in seconds.

    Args:
        reviews: Reviews, a record per line, or ratings as comma-separated values.
        metadata: The items' metadata, a record per line.
        name: The name of the data set.
        output: The folder of data sets, in which the folder ``name`` is made.
        k_core: Drop users and items with fewer interactions, until all have so many.
        min_length: Drop users with fewer interactions.

    Returns:
        Counts of what was read, dropped and written.

    Raises:
        UserError: A file is missing, is unreadable, has an unknown layout or has more than 1 % malformed lines. Or the
            filters leave nothing. Or the folder is there already or cannot be written.
    """
    folder = dataset_folder(output, name)
    if not name.isprintable():
        raise UserError(f"{name!r} cannot be printed: choose another name for the data set")
    _check_arguments(folder, k_core, min_length)
    try:
        return _convert(folder, reviews, metadata, name, k_core, min_length)
    except MemoryError:
        remedy = "give fewer reviews, or take a larger machine"
        raise UserError(f"not enough memory to convert {reviews}: {remedy}") from None


def _convert(
    folder: Path,
    reviews: str | Path,
    metadata: str | Path | None,
    name: str,
    k_core: int | None,
    min_length: int | None,
) -> ConversionSummary:
    """Convert; see :func:`convert_amazon`."""
    review_file = RawFile(reviews)
    layout, parse = review_layout(review_file)
    users, items, events = read_reviews(review_file, parse)
    distinct = events.drop_duplicates(["user", "item", "timestamp"])
    kept = distinct[core_mask(distinct["user"].to_numpy(), distinct["item"].to_numpy(), k_core, min_length)]
    if kept.empty:
        raise UserError(f"nothing is left of {reviews}: lower k_core ({k_core}) or min_length ({min_length})")
    inter = _interactions(kept, users, items)
    malformed, catalog = review_file.malformed, None
    if metadata is not None:
        metadata_file = RawFile(metadata)
        catalog = read_metadata(metadata_file, inter["item_id"].unique())
        malformed += metadata_file.malformed
    with only_folder(folder, note=SOURCE_FILE) as building:
        origin = f"converted from Amazon reviews ({layout} layout)"
        write_source(building, origin=origin, k_core=k_core, min_length=min_length)
        write_atomic(building / f"{name}.inter", inter, INTER_TYPES)
        if catalog is not None:
            write_atomic(building / f"{name}.item", catalog, {name: ITEM_TYPES[name] for name in map(str, catalog)})
    item_count = int(inter["item_id"].nunique())
    return ConversionSummary(
        name=name,
        folder=folder,
        layout=layout,
        users=int(inter["user_id"].nunique()),
        items=item_count,
        interactions=len(inter),
        duplicates=len(events) - len(distinct),
        filtered=len(distinct) - len(kept),
        malformed=malformed,
        without_title=item_count if catalog is None else int((catalog["title"] == "").sum()),
    )


def _check_arguments(folder: Path, k_core: int | None, min_length: int | None) -> None:
    """Check the arguments before any work."""
    if folder.exists():
        raise UserError(f"{folder} is there already: delete it or choose another name")
    for key, value in (("k_core", k_core), ("min_length", min_length)):
        if value is not None and value < 1:
            raise UserError(f"{key} is {value}: it must be 1 or more")


def _interactions(events: pd.DataFrame, users: np.ndarray, items: np.ndarray) -> pd.DataFrame:
    """Return the rows of the ``.inter`` file."""
    # lexsort is stable: the file's order decides where a user's times are equal.
    events = events.iloc[np.lexsort((events["timestamp"], events["user"]))]
    return pd.DataFrame(
        {
            "user_id": users[events["user"]],
            "item_id": items[events["item"]],
            "rating": events["rating"].to_numpy(),
            "timestamp": events["timestamp"].to_numpy(),
        }
    )
