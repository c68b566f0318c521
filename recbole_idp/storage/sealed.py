"""Check folders when they are opened: each file by its hash, and the list of hashes by a checksum."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from recbole_idp.errors import UserError
from recbole_idp.storage.files import fingerprint, parse_json, sha256_of_file, umask
from recbole_idp.storage.plain import plain
from recbole_idp.storage.schema import ObjectOf, SchemaError, check_schema
from recbole_idp.storage.tensors import read_tensors, reserve_buffer

if TYPE_CHECKING:
    import torch


DATA_SUFFIXES = frozenset((".json", ".md", ".safetensors", ".tsv", ".txt"))
"""Endings of the files that folders of this package hold."""


class FolderFormat(NamedTuple):
    """Format of a sealed folder: its files, and the schema of its description.

    Attributes:
        name: What messages call such a folder.
        made_by: What makes such folders, for messages.
        identifier: The ``format`` that the description names.
        description_file: Name of the description, a JSON file.
        required_files: The files that each folder has besides.
        schema: Schema of the description; see :func:`~recbole_idp.storage.schema.check_schema`.
        version: The version that is written.
        readable_versions: The versions that can be read.
    """

    name: str
    made_by: str
    identifier: str
    description_file: str
    required_files: frozenset[str]
    schema: dict[str, Any]
    version: int = 1
    readable_versions: tuple[int, ...] = (1,)


def seal(folder: Path, folder_format: FolderFormat, description: Mapping[str, Any]) -> None:
    """Write the description of a folder that has all its other files.

    Args:
        folder: The folder.
        folder_format: Its format.
        description: JSON-serialisable facts.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    hashes = {path.relative_to(folder).as_posix(): sha256_of_file(path) for path in files}
    head = {"format": folder_format.identifier, "version": folder_format.version}
    sealed = json.loads(json.dumps({**head, **description, "sha256": hashes}, default=plain))
    sealed["checksum"] = fingerprint(sealed)
    text = json.dumps(sealed, indent=1, ensure_ascii=False)
    (folder / folder_format.description_file).write_text(text + "\n", encoding="utf-8")


def read_sealed(folder: str | Path, folder_format: FolderFormat) -> dict[str, Any]:
    """Read a description and check that this version can use the folder.

    Args:
        folder: The folder.
        folder_format: The format that it should have.

    Returns:
        The description.

    Raises:
        UserError: The folder has another format or version, or its description is damaged.
    """
    name, path = folder_format.name, Path(folder) / folder_format.description_file
    remedy = f"give a folder that {folder_format.made_by} made"
    if not path.is_file():
        raise UserError(f"{folder} is no {name}: it has no {path.name}; {remedy}")
    try:
        description = parse_json(path)
    except (ValueError, OSError) as error:
        raise UserError(f"{path} is damaged ({error}): pre-train again, or copy the {name} again") from error
    if not isinstance(description, dict) or description.get("format") != folder_format.identifier:
        raise UserError(f"{path} does not describe a {name} of recbole_idp: {remedy}")
    checksum = description.pop("checksum", None)
    if description.get("version") not in folder_format.readable_versions:
        raise UserError(
            f"{folder} is a {name} of format version {description.get('version')}, this release reads "
            f"version {folder_format.version}: pre-train again, or install the release that wrote it"
        )
    if checksum != fingerprint(description):
        raise UserError(f"{path} is damaged or was changed: pre-train again, or copy the {name} again")
    hashes = description.get("sha256")
    if not isinstance(hashes, dict) or not folder_format.required_files <= set(hashes):
        raise UserError(f"{path} is damaged (its list of files is incomplete): pre-train again")
    try:
        check_schema(description, {"sha256": ObjectOf(str), **folder_format.schema})
    except SchemaError as error:
        raise UserError(
            f"{path} is not as {folder_format.made_by} writes it ({error}): do not use it, make the {name} again"
        ) from None
    return description


def check_sealed(folder: str | Path, folder_format: FolderFormat) -> dict[str, Any]:
    """Read a description and check each file that it names.

    Args:
        folder: The folder.
        folder_format: The format that it should have.

    Returns:
        The description.

    Raises:
        UserError: The folder cannot be used, or a file is missing or was changed.
    """
    name, folder = folder_format.name, Path(folder)
    description = read_sealed(folder, folder_format)
    hashes = description["sha256"]
    for file in hashes:
        if folder.resolve() not in (folder / file).resolve().parents:
            raise UserError(
                f"{folder / folder_format.description_file} names a file outside of the {name}: {file}; do not use it"
            )
    try:
        check_listed(folder, hashes, folder_format.description_file)
    except ValueError as error:
        raise UserError(f"{name} {folder} {error}: do not use it, or make it again") from None
    for file, expected in hashes.items():
        if sha256_of_file(folder / file) != expected:
            raise UserError(f"{folder / file} is damaged or was changed: pre-train again, or copy the {name} again")
    return description


def check_listed(folder: Path, listed: Collection[str], description_file: str) -> None:
    """Check that a folder holds the listed files and no others, each a file of its own that only holds data.

    Args:
        folder: The folder.
        listed: The files, as POSIX paths in the folder.
        description_file: The file with the list, which the list does not name.

    Raises:
        ValueError: A file is missing, is a link, is not listed, or is of a kind that no such folder has.
    """
    found = set()
    for parent, folders, files in os.walk(folder):
        for entry in sorted((*folders, *files)):
            path = Path(parent, entry)
            place = path.relative_to(folder).as_posix()
            mode = path.lstat().st_mode
            if stat.S_ISLNK(mode):
                raise ValueError(f"holds a link, {place}")
            if stat.S_ISDIR(mode):
                continue
            if place not in listed and place != description_file:
                raise ValueError(f"holds {place}, which its list of files does not name")
            if not stat.S_ISREG(mode) or path.suffix not in DATA_SUFFIXES:
                raise ValueError(f"holds {place}, which is no file of data that this package writes")
            found.add(place)
    if missing := sorted(set(listed) - found):
        raise ValueError(f"lacks {missing[0]}")


def content_digest(folder: str | Path) -> str:
    """Return a digest of the content of a sealed folder of any format: that of its description.

    Args:
        folder: The folder.

    Returns:
        Hexadecimal digits; the path itself if the folder has no description, which is an error when it is opened.
    """
    digests = [sha256_of_file(path) for path in sorted(Path(folder).glob("*.json"))]
    return fingerprint(digests) if digests else str(folder)


def write_weights(path: Path, weights: Mapping[str, torch.Tensor]) -> None:
    """Write weights as a safetensors file that other users may read.

    Args:
        path: The file.
        weights: Tensors of any device, by name.
    """
    from safetensors.torch import save_file

    reserve_buffer()
    save_file({name: value.detach().cpu().contiguous() for name, value in weights.items()}, path)
    # safetensors lets nobody but the owner read what it writes.
    path.chmod(0o666 & ~umask())


def read_weights(path: Path, folder_format: FolderFormat) -> dict[str, torch.Tensor]:
    """Read the weights of a folder that was checked.

    Args:
        path: A safetensors file in the folder.
        folder_format: The folder's format.

    Returns:
        The weights by name.

    Raises:
        UserError: The file cannot be read, or has values that are not numbers.
    """
    try:
        return read_tensors(path)
    except ValueError as error:
        raise UserError(f"{path} cannot be read ({error}): make the {folder_format.name} again") from error
