"""Find the files of a data set by its name: on disk, in a package, or by download."""

import functools
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import yaml

from recbole_idp.compat import recbole_folder
from recbole_idp.data import ml_100k
from recbole_idp.data.download import download
from recbole_idp.data.folders import SOURCE_FILE, dataset_folder, read_source
from recbole_idp.errors import UserError, nearest

# The domains of the IDP paper, and related ones -> RecBole's name. All are Amazon 2018 except the last three, which
# only the release of 2014 has as whole categories.
ALIASES = {
    "Home": "amazon-home-kitchen-18",
    "CDs": "amazon-cds-vinyl-18",
    "CD": "amazon-cds-vinyl-18",
    "Grocery": "amazon-grocery-gourmet-food-18",
    "Kindle": "amazon-kindle-store-18",
    "Movies": "amazon-movies-tv-18",
    "Movie": "amazon-movies-tv-18",
    "Arts": "amazon-arts-crafts-sewing-18",
    "Prime": "amazon-prime-pantry-18",
    "Pantry": "amazon-prime-pantry-18",
    "Prime Pantry": "amazon-prime-pantry-18",
    "Prime_Pantry": "amazon-prime-pantry-18",
    "Instruments": "amazon-musical-instruments-18",
    "Office": "amazon-office-products-18",
    "Automotive": "amazon-automotive-18",
    "Books": "amazon-books-18",
    "Clothing": "amazon-clothing-shoes-jewelry-18",
    "Electronics": "amazon-electronics-18",
    "Garden": "amazon-patio-lawn-garden-18",
    "Music": "amazon-digital-music-18",
    "Pets": "amazon-pet-supplies-18",
    "Phones": "amazon-cell-phones-accessories-18",
    "Scientific": "amazon-industrial-scientific-18",
    "Sports": "amazon-sports-outdoors-18",
    "Tools": "amazon-tools-home-improvement-18",
    "Toys": "amazon-toys-games-18",
    "Games": "amazon-video-games-18",
    "Baby": "amazon-baby",
    "Beauty": "amazon-beauty",
    "Health": "amazon-health-personal-care",
}

# What the task convert may read.
_RAW = re.compile(r"\.(csv|tsv|dat|data|json|jsonl)(\.gz)?$", re.IGNORECASE)


@dataclass(frozen=True)
class DatasetLocation:
    """Where a data set is.

    Attributes:
        name: The name that was asked for.
        folder: The folder with its files.
        stem: Their name without the suffix: ``folder/stem.inter``, ``folder/stem.item``.
        origin: Where the files came from, in words.
        fixed: The middle of the names of the files of a fixed split, ``folder/stem.train.inter`` and so on; empty:
            there is one file of interactions.
    """

    name: str
    folder: Path
    stem: str
    origin: str
    fixed: tuple[str, ...] = ()

    @property
    def inter_file(self) -> Path:
        """The file of the interactions; the first one of a fixed split."""
        return self.inter_files[0]

    @property
    def inter_files(self) -> list[Path]:
        """The files of the interactions."""
        return [self.folder / f"{self.stem}{f'.{name}' if name else ''}.inter" for name in self.fixed or ("",)]

    @property
    def item_file(self) -> Path:
        """The file of the items, which may be missing."""
        return self.folder / f"{self.stem}.item"

    @property
    def user_file(self) -> Path:
        """The file of the users, which may be missing."""
        return self.folder / f"{self.stem}.user"


class Available(NamedTuple):
    """One row of :func:`available`.

    Attributes:
        name: The name to give as ``dataset``.
        origin: Where it comes from.
        on_disk: Whether it can be used without a download.
    """

    name: str
    origin: str
    on_disk: bool


def locate(
    name: str,
    data_path: str | Path = "dataset/",
    urls: Mapping[str, str] | None = None,
    checksums: Mapping[str, str] | None = None,
) -> DatasetLocation:
    """Find a data set by name, and make or download it if necessary.

    The places, in this order: ``data_path``; packages (ml-100k, and the platforms that are carved from it); RecBole's
    download table, by its name there or by one of ``ALIASES``. What is carved or downloaded is kept in
    ``data_path/name``.

    Args:
        name: The name of the data set.
        data_path: The folder of data sets, each in a folder of its own name.
        urls: Name -> URL of a zip; RecBole's table by default.
        checksums: URL -> SHA-256 of the zip, if it is known.

    Returns:
        Where its files are.

    Raises:
        UserError: The name is unknown, its folder has no ``.inter`` file or several, or the download failed.
    """
    folder = dataset_folder(data_path, name)
    found = _on_disk(name, folder)
    if found:
        return found
    if name == ml_100k.PACKAGED:
        return DatasetLocation(name, ml_100k.packaged_folder(), ml_100k.PACKAGED, "carried by RecBole")
    _refuse_folder_without_data(folder)
    urls = recbole_urls() if urls is None else urls
    if name in ml_100k.PLATFORMS:
        ml_100k.carve(name, folder)
    elif url := urls.get(name) or urls.get(ALIASES.get(name, name)):
        download(url, name, folder, checksums)
    else:
        raise _unknown(name, data_path, urls)
    return _on_disk(name, folder)  # type: ignore[return-value]  # its interactions have just been written


def with_fixed_split(location: DatasetLocation, names: Sequence[str] | None) -> DatasetLocation:
    """Return a location with the files of a fixed split instead of one file of interactions.

    Args:
        location: Where the data set is.
        names: ``benchmark_filename``: the middle of the files' names; None: there is no fixed split.
    """
    if not names:
        return location
    own = any((location.folder / f"{location.name}.{name}.inter").is_file() for name in names)
    return replace(location, stem=location.name if own else location.stem, fixed=tuple(map(str, names)))


def available(data_path: str | Path = "dataset/", urls: Mapping[str, str] | None = None) -> list[Available]:
    """List the names that :func:`locate` knows.

    Args:
        data_path: The folder of data sets; it may be missing.
        urls: Name -> URL of a zip; RecBole's table by default.

    Returns:
        Data sets on disk first, then those in packages, the aliases, and RecBole's table.
    """
    urls = recbole_urls() if urls is None else urls
    rows = [Available(name, _origin(Path(data_path) / name), True) for name in _names_on_disk(data_path)]
    rows.append(Available(ml_100k.PACKAGED, "carried by RecBole", True))
    rows += [Available(name, f"carved from RecBole's {ml_100k.PACKAGED}", True) for name in ml_100k.PLATFORMS]
    rows += [Available(alias, f"download: {name}", False) for alias, name in ALIASES.items() if name in urls]
    rows += [Available(name, f"download: {url}", False) for name, url in urls.items()]
    first: dict[str, Available] = {}
    for row in rows:
        # locate() would take the first row of a name.
        first.setdefault(row.name, row)
    return list(first.values())


def recbole_urls() -> dict[str, str]:
    """Return RecBole's download table, ``{name: URL}``.

    Raises:
        UserError: RecBole is not installed.
    """
    return dict(_table_of_urls(recbole_folder() / "properties" / "dataset" / "url.yaml"))


@functools.cache
def _table_of_urls(path: Path) -> Mapping[str, str]:
    """Read RecBole's table, which is long, once."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def _on_disk(name: str, folder: Path) -> DatasetLocation | None:
    """Return the data set in ``folder``, or None if the folder has no interactions."""
    own = folder / f"{name}.inter"
    if own.is_file():
        return DatasetLocation(name, folder, name, _origin(folder))
    if os.path.lexists(own):
        raise UserError(f"{own} is no file, but a folder or a broken link: put the interactions there")
    stems = sorted(path.name.removesuffix(".inter") for path in folder.glob("*.inter") if path.is_file())
    # RecBole's benchmark files, name.train.inter and so on, share one name.
    if len(stems) > 1 and all(stem.startswith(f"{name}.") for stem in stems):
        stems = [name]
    if len(stems) > 1:
        files = ", ".join(f"{stem}.inter" for stem in stems[:5])
        raise UserError(f"{folder} has several .inter files ({files}): name the one to use {name}.inter")
    return DatasetLocation(name, folder, stems[0], _origin(folder)) if stems else None


def _origin(folder: Path) -> str:
    """Return where the files in a folder came from, in words."""
    return read_source(folder).get("origin", f"files in {folder}")


def _names_on_disk(data_path: str | Path) -> list[str]:
    """Return the names of the folders with interactions."""
    try:
        # From Python 3.13 on glob finds nothing in what cannot be a path, such as a name that is too long.
        os.stat(data_path)
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted({path.parent.name for path in Path(data_path).glob("[!.]*/*.inter")})


def _refuse_folder_without_data(folder: Path) -> None:
    """Refuse a folder that has files but no ``.inter`` file: it is the user's, and is not overwritten."""
    files = sorted(path.name for path in folder.iterdir() if path.name != SOURCE_FILE) if folder.is_dir() else []
    if files:
        found = ", ".join(files[:5])
        raw = next((file for file in files if _RAW.search(file)), None)
        convert = f" (`recbole-idp convert --reviews={folder / raw}` makes one in a new folder)" if raw else ""
        add = f"add {folder.name}.inter{convert}"
        raise UserError(f"{folder} has no .inter file but {found}: {add}, or move the folder away")


def _unknown(name: str, data_path: str | Path, urls: Mapping[str, str]) -> UserError:
    """Return the error for an unknown name."""
    place = Path(data_path)
    place = place.parent if place.suffix == ".inter" and place.is_file() else place
    if (files := _inter_files(place)) and not _names_on_disk(place):
        # Of a/shop/shop.inter, data_path is a.
        above = place.resolve().parent if place.name in ("", ".", "..") else place.parent
        where = f"{place} is itself the folder of a dataset ({files[0].name})"
        return UserError(f"unknown dataset {name!r}: {where}: write --data_path={above}")
    names = [row.name for row in available(data_path, urls)]
    given = name.removesuffix(".inter").removesuffix(".item")
    close = [given] if given != name and given in names else nearest(name, names, limit=3)
    hint = f"did you mean {' or '.join(close)}? " if close else ""
    there = str(data_path) if place.is_dir() else f"{data_path} (there is no such folder)"
    looked = f"neither in {there} nor among the downloads"
    return UserError(f"unknown dataset {name!r}, {looked}: {hint}`recbole-idp datasets` lists all names")


def _inter_files(folder: Path) -> list[Path]:
    """Return the files of interactions that lie in a folder itself."""
    try:
        return sorted(folder.glob("*.inter"))
    except (OSError, ValueError):
        return []
