"""From the name of a data set to its files: on disk, carried by a package, or downloaded."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import yaml

from recbole_idp.compat import recbole_folder
from recbole_idp.data import ml_100k
from recbole_idp.data.download import download
from recbole_idp.data.folders import SOURCE_FILE, dataset_folder, read_source
from recbole_idp.errors import UserError, nearest

# The domains of the IDP paper and their neighbours -> RecBole's name. All are Amazon 2018 but the last three, which
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


@dataclass(frozen=True)
class DatasetLocation:
    """Where a data set is.

    Attributes:
        name (str): The name that was asked for.
        folder (Path): The folder with its files.
        stem (str): Their name without the suffix: ``folder/stem.inter``, ``folder/stem.item``.
        origin (str): Where the files came from, in words.
    """

    name: str
    folder: Path
    stem: str
    origin: str

    @property
    def inter_file(self):
        """Path: The interactions."""
        return self.folder / f"{self.stem}.inter"

    @property
    def item_file(self):
        """Path: The items, which a data set need not have."""
        return self.folder / f"{self.stem}.item"


class Available(NamedTuple):
    """One row of :func:`available`.

    Attributes:
        name (str): The name to give as ``dataset``.
        origin (str): Where it comes from.
        on_disk (bool): Whether it can be used without a download.
    """

    name: str
    origin: str
    on_disk: bool


def locate(name, data_path="dataset/", urls=None, checksums=None):
    """Finds a data set by name, and carves or downloads it where that is what it takes.

    Looked for in this order: under ``data_path``; carried by a package (ml-100k, and the two platforms carved from
    it); in RecBole's download table, by its name there or by one of ``ALIASES``. What is carved or downloaded goes to
    ``data_path/name`` and is found there the next time.

    Args:
        name (str): The data set's name.
        data_path (str | Path): The folder of data sets, each in a folder of its own name.
        urls (dict[str, str] | None): Name -> URL of a zip; RecBole's table by default.
        checksums (dict[str, str] | None): URL -> SHA-256 of the zip, where it is known.

    Returns:
        DatasetLocation: Its files.

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
    elif url := urls.get(name) or urls.get(ALIASES.get(name)):
        download(url, name, folder, checksums)
    else:
        raise _unknown(name, data_path, urls)
    return _on_disk(name, folder)


def available(data_path="dataset/", urls=None):
    """Lists every name that :func:`locate` knows.

    Args:
        data_path (str | Path): The folder of data sets; it need not be there.
        urls (dict[str, str] | None): Name -> URL of a zip; RecBole's table by default.

    Returns:
        list[Available]: What is on disk first, then what packages carry, aliases, and RecBole's table.
    """
    urls = recbole_urls() if urls is None else urls
    rows = [Available(name, _origin(Path(data_path) / name), True) for name in _names_on_disk(data_path)]
    rows.append(Available(ml_100k.PACKAGED, "carried by RecBole", True))
    rows += [Available(name, f"carved from RecBole's {ml_100k.PACKAGED}", True) for name in ml_100k.PLATFORMS]
    rows += [Available(alias, f"download: {name}", False) for alias, name in ALIASES.items() if name in urls]
    rows += [Available(name, f"download: {url}", False) for name, url in urls.items()]
    first = {}
    for row in rows:
        # The first row of a name is the one that locate() would take.
        first.setdefault(row.name, row)
    return list(first.values())


def recbole_urls():
    """Returns RecBole's download table, ``{name: URL}``.

    Raises:
        UserError: RecBole is not installed.
    """
    table = recbole_folder() / "properties" / "dataset" / "url.yaml"
    return yaml.safe_load(table.read_text(encoding="utf-8"))


def _on_disk(name, folder):
    """Returns the data set in ``folder``, or None where it has no interactions."""
    own = folder / f"{name}.inter"
    if own.is_file():
        return DatasetLocation(name, folder, name, _origin(folder))
    if os.path.lexists(own):
        raise UserError(f"{own} is no file, but a folder, a link to nothing or the like: put the interactions there")
    stems = sorted(path.name.removesuffix(".inter") for path in folder.glob("*.inter") if path.is_file())
    # RecBole's benchmark files, name.train.inter and so on, go by the common name.
    if len(stems) > 1 and all(stem.startswith(f"{name}.") for stem in stems):
        stems = [name]
    if len(stems) > 1:
        files = ", ".join(f"{stem}.inter" for stem in stems[:5])
        raise UserError(f"{folder} has several .inter files ({files}): name the one to use {name}.inter")
    return DatasetLocation(name, folder, stems[0], _origin(folder)) if stems else None


def _origin(folder):
    """Says where the files in a folder came from."""
    return read_source(folder).get("origin", f"files in {folder}")


def _names_on_disk(data_path):
    """Returns the names of the folders with interactions."""
    try:
        # From Python 3.13 on glob finds nothing in what cannot be a path, such as a name that is too long.
        os.stat(data_path)
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted({path.parent.name for path in Path(data_path).glob("[!.]*/*.inter")})


def _refuse_folder_without_data(folder):
    """Raises where there is a folder of files, none of which is ``.inter``: it is the user's and not overwritten."""
    files = sorted(path.name for path in folder.iterdir() if path.name != SOURCE_FILE) if folder.is_dir() else []
    if files:
        found = ", ".join(files[:5])
        raise UserError(f"{folder} has no .inter file but {found}: add {folder.name}.inter, or move the folder away")


def _unknown(name, data_path, urls):
    """Returns the error for a name that nobody knows."""
    names = [row.name for row in available(data_path, urls)]
    close = nearest(name, names, limit=3)
    hint = f"did you mean {' or '.join(close)}? " if close else ""
    looked = f"neither in {data_path} nor among the downloads"
    return UserError(f"unknown dataset {name!r}, {looked}: {hint}`recbole-idp datasets` lists all names")
