"""Carve two platforms from the MovieLens-100k in RecBole's package, for a first run on a machine without data.

``ml-100k-source`` has 70 % of the users, ``ml-100k-target`` the other 30 %, as if a new service started beside
MovieLens. Both have the same films, but share no identifier, so that only the texts connect them.

``ml-100k-source-before-1995`` and ``ml-100k-target-since-1995`` are stricter: they have no film in common. Some users
are on both, under different identifiers.

The release year is a ``token_seq`` here, unlike in RecBole's own file, so that it is part of the items' text
(``Toy Story. 1995. Animation Children's Comedy``), as films of one title differ by it.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from recbole_idp.compat import recbole_folder
from recbole_idp.data.atomic import INTER_TYPES, read_atomic, write_atomic
from recbole_idp.data.folders import SOURCE_FILE, write_source
from recbole_idp.errors import UserError
from recbole_idp.storage.files import sha256_of_file
from recbole_idp.storage.folders import new_folder

PACKAGED = "ml-100k"
# The users of each platform, and the new identifiers, depend on this number alone.
SEED = 20240506
SOURCE_SHARE = 0.7
FIRST_TARGET_YEAR = 1995
PLATFORMS = (
    "ml-100k-source",
    "ml-100k-target",
    "ml-100k-source-before-1995",
    "ml-100k-target-since-1995",
)

_ITEM_TYPES = {
    "item_id": "token",
    "movie_title": "token_seq",
    "release_year": "token_seq",
    "class": "token_seq",
}
# How RecBole's file spells an unknown value.
_UNKNOWN = ("unkonwn", "unknown")


def packaged_folder() -> Path:
    """Return the folder of the ml-100k in RecBole's package.

    Raises:
        UserError: RecBole is not installed, or its copy of ml-100k is missing.
    """
    folder = recbole_folder() / "dataset_example" / PACKAGED
    if not (folder / f"{PACKAGED}.inter").is_file():
        raise UserError(f"RecBole's own ml-100k is missing at {folder}: reinstall recbole==1.2.1")
    return folder


def carve(name: str, folder: str | Path) -> None:
    """Write one platform as the atomic files ``folder/name.inter`` and ``folder/name.item``.

    The interactions keep the order of RecBole's file. Items without an interaction on the platform are removed.

    Args:
        name: One of ``PLATFORMS``.
        folder: The folder to make.

    Raises:
        UserError: RecBole's ml-100k is missing, or the folder cannot be written.
        ValueError: ``name`` is none of ``PLATFORMS``.
    """
    if name not in PLATFORMS:
        raise ValueError(f"{name!r} is none of {PLATFORMS}")
    packaged = packaged_folder()
    inter_file = packaged / f"{PACKAGED}.inter"
    inter = read_atomic(inter_file, columns=list(INTER_TYPES))
    items = _items(packaged / f"{PACKAGED}.item")
    users, films = inter["user_id"].unique(), items["item_id"].to_numpy()
    if name.endswith("-1995"):
        years = pd.to_numeric(items["release_year"], errors="coerce").to_numpy()
        # A film without a year is on neither side: comparing with NaN is false.
        on_side = years >= FIRST_TARGET_YEAR if "target" in name else years < FIRST_TARGET_YEAR
        inter = inter[inter["item_id"].isin(films[on_side])]
    else:
        on_source = set(_shuffled(users)[: round(SOURCE_SHARE * len(users))])
        inter = inter[inter["user_id"].isin(on_source) != ("target" in name)]
    items = items[items["item_id"].isin(inter["item_id"])]
    if "target" in name:
        inter, items = _hide(inter, items, users, films)
    with new_folder(folder, note=SOURCE_FILE) as building:
        write_atomic(building / f"{name}.item", items, _ITEM_TYPES)
        write_atomic(building / f"{name}.inter", inter, INTER_TYPES)
        write_source(
            building, origin=f"carved from RecBole's {PACKAGED}", seed=SEED, inter_sha256=sha256_of_file(inter_file)
        )


def _items(path: Path) -> pd.DataFrame:
    """Return the films, with empty texts for unknown values."""
    items = read_atomic(path, columns=list(_ITEM_TYPES))
    texts = ["movie_title", "release_year", "class"]
    items[texts] = items[texts].replace(_UNKNOWN, "")
    return items


def _shuffled(tokens: np.ndarray) -> np.ndarray:
    """Return the tokens in a random order that depends on ``SEED`` alone."""
    return np.random.default_rng(SEED).permutation(np.sort(tokens.astype(str)))


def _hide(
    inter: pd.DataFrame, items: pd.DataFrame, users: np.ndarray, films: np.ndarray
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Give the target's users and items new identifiers, which the source does not have."""
    hidden_user = {user: f"v{number}" for number, user in enumerate(_shuffled(users), start=1)}
    hidden_film = {film: f"t{number}" for number, film in enumerate(_shuffled(films), start=1)}
    inter = inter.assign(user_id=inter["user_id"].map(hidden_user), item_id=inter["item_id"].map(hidden_film))
    items = items.assign(item_id=items["item_id"].map(hidden_film))
    # In the order of the new identifiers, because the old order would identify the films.
    by_number = items["item_id"].str[1:].astype(int).argsort(kind="stable")
    return inter, items.iloc[by_number]
