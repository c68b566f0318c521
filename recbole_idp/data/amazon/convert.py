"""Turn raw reviews and metadata into atomic files: Amazon's of 2014, 2018 and 2023, and tables of any platform.

reviews -> interactions -> duplicates dropped -> k-core -> sorted -> .inter
metadata of the items that are left -> cleaned texts -> .item
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from recbole_idp.data.amazon.items import ITEM_TYPES, Metadata, read_metadata
from recbole_idp.data.amazon.parts import parts_beside
from recbole_idp.data.amazon.reviews import read_reviews, review_layout
from recbole_idp.data.atomic import INTER_TYPES, write_atomic
from recbole_idp.data.convert.datasets import building_dataset, free_folder
from recbole_idp.data.convert.filtering import check_filters, core_mask
from recbole_idp.data.convert.lines import RawFile, encoding_notes
from recbole_idp.errors import UserError


@dataclass(frozen=True)
class ConversionSummary:
    """What :func:`convert_amazon` read and wrote.

    Attributes:
        name: The name of the data set.
        folder: The folder of its files.
        layout: The layout found: ``2014``, ``2018``, ``2023``, ``ratings`` or the names of the columns.
        users: Users written.
        items: Items written.
        interactions: Interactions written.
        duplicates: Interactions dropped because of an earlier one with the same user, item and time.
        filtered: Interactions dropped by ``k_core`` and ``min_length``.
        malformed: Lines skipped in both files.
        without_title: Items written without a title in the metadata; all of them if there is no metadata.
        notes: Further facts that may surprise a user.
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
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        line = (
            f"{self.name} ({self.layout} layout): {self.users} users, {self.items} items, "
            f"{self.interactions} interactions in {self.folder}; {self.without_title} items without title; "
            f"dropped {self.duplicates} duplicates, {self.filtered} by the filters, {self.malformed} malformed lines"
        )
        return "; ".join((line, *self.notes))


def convert_amazon(
    reviews: str | Path,
    metadata: str | Path | None,
    name: str,
    output: str | Path,
    k_core: int | None = None,
    min_length: int | None = None,
) -> ConversionSummary:
    """Convert reviews or ratings to ``output/name/name.inter`` and, with metadata, ``name.item``.

    The layout is recognised by the content, and gzip by its first bytes. A table names its columns in its first line.
    The parts of a split, such as ``Office.train.csv``, are joined with those beside them. Interactions are grouped by
    user, in the order of the users' first reviews. The interactions of a user are sorted by time; those of one time
    keep the order of the file. Timestamps are in seconds.

    Args:
        reviews: Reviews, a record per line, or a table.
        metadata: The items' metadata, a record per line, or a table.
        name: The name of the data set.
        output: The folder of data sets, in which the folder ``name`` is made.
        k_core: Drop users and items with fewer interactions, until all have so many.
        min_length: Drop users with fewer interactions.

    Returns:
        Counts of what was read, dropped and written.

    Raises:
        UserError: A file is missing, is unreadable, has an unknown layout or has more than 1 % malformed lines. Or the
            filters leave nothing, or the metadata describe none of the items. Or the folder exists already or cannot
            be written.
    """
    folder = free_folder(output, name)
    check_filters(k_core, min_length)
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
    layout = review_layout(review_file)
    parts = parts_beside(review_file, layout)
    users, items, events, only_in_histories = read_reviews(parts.files, layout)
    notes = [*parts.notes, *_history_notes(only_in_histories), *encoding_notes(parts.files)]
    if events.empty:
        raise UserError(f"{reviews} has no reviews: nothing follows its first line")
    distinct = events.drop_duplicates(["user", "item", "timestamp"])
    kept = distinct[core_mask(distinct["user"].to_numpy(), distinct["item"].to_numpy(), k_core, min_length)]
    if kept.empty:
        raise UserError(f"nothing is left of {reviews}: lower k_core ({k_core}) or min_length ({min_length})")
    inter = _interactions(kept, users, items)
    malformed, catalog = sum(file.malformed for file in parts.files), None
    if metadata is not None:
        metadata_file = RawFile(metadata)
        found = read_metadata(metadata_file, inter["item_id"].unique())
        notes += _metadata_notes(found, metadata, reviews)
        catalog = found.frame
        malformed += metadata_file.malformed
        notes += encoding_notes([metadata_file])
    origin = f"converted from reviews ({layout.name} layout)"
    with building_dataset(folder, origin=origin, k_core=k_core, min_length=min_length) as building:
        types = {column: kind for column, kind in INTER_TYPES.items() if layout.has_ratings or column != "rating"}
        write_atomic(building / f"{name}.inter", inter, types)
        if catalog is not None:
            write_atomic(building / f"{name}.item", catalog, {name: ITEM_TYPES[name] for name in map(str, catalog)})
    item_count = int(inter["item_id"].nunique())
    return ConversionSummary(
        name=name,
        folder=folder,
        layout=layout.name,
        users=int(inter["user_id"].nunique()),
        items=item_count,
        interactions=len(inter),
        duplicates=len(events) - len(distinct),
        filtered=len(distinct) - len(kept),
        malformed=malformed,
        without_title=item_count if catalog is None else int((catalog["title"] == "").sum()),
        notes=tuple(notes),
    )


def _history_notes(missing: int) -> list[str]:
    """Say how many items of histories have no row."""
    if not missing:
        return []
    return [f"{missing:,} earlier events stand in the column history alone, without times, and are left out"]


def _metadata_notes(found: Metadata, metadata: str | Path, reviews: str | Path) -> list[str]:
    """Say how few of the items the metadata describe; raise UserError if it is none."""
    tokens = found.frame["item_id"]
    if not found.described:
        raise UserError(
            f"{metadata} describes none of the {len(tokens):,} items of {reviews}, whose ids are like {tokens[0]}, and "
            f"not like {found.example}: give the metadata of the same items, or leave --metadata out"
        )
    if found.described > len(tokens) / 2:
        return []
    return [f"{metadata} describes {found.described:,} of {len(tokens):,} items only: is it of the same category?"]


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
