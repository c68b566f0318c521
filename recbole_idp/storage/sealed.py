"""Folders that are checked when they are opened: each file by its hash, and the list of hashes by a checksum."""

import json
import logging
from pathlib import Path
from typing import NamedTuple

from recbole_idp.errors import UserError
from recbole_idp.storage.files import fingerprint, sha256_of_file
from recbole_idp.storage.locks import alone
from recbole_idp.storage.schema import ObjectOf, SchemaError, check_schema


class Kind(NamedTuple):
    """What a sealed folder is.

    Attributes:
        name (str): What messages call it.
        maker (str): What makes such folders.
        format (str): What its description calls it.
        version (int): The version that is written.
        readable (tuple[int, ...]): The versions that can be read.
        file (str): Name of the description.
        needs (frozenset[str]): The files that each has.
        says (dict): The form of its description, as :func:`~recbole_idp.storage.schema.check` takes it.
    """

    name: str
    maker: str
    format: str
    version: int
    readable: tuple
    file: str
    needs: frozenset
    says: dict


def seal(folder, kind, description):
    """Writes the description of a folder whose other files are all there.

    Args:
        folder (Path): The folder.
        kind (Kind): What it is.
        description (dict): JSON-serialisable facts.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    hashes = {path.relative_to(folder).as_posix(): sha256_of_file(path) for path in files}
    description = {"format": kind.format, "version": kind.version, **description, "sha256": hashes}
    description = json.loads(json.dumps(description, default=str))
    description["checksum"] = fingerprint(description)
    text = json.dumps(description, indent=1, ensure_ascii=False)
    (folder / kind.file).write_text(text + "\n", encoding="utf-8")


def read_sealed(folder, kind):
    """Reads a description and checks that this version can use the folder.

    Args:
        folder (str | Path): The folder.
        kind (Kind): What it should be.

    Returns:
        dict: The description.

    Raises:
        UserError: It is something else, or of another version.
    """
    path = Path(folder) / kind.file
    remedy = f"give a folder that {kind.maker} made"
    if not path.is_file():
        raise UserError(f"{folder} is no {kind.name}: it has no {kind.file}; {remedy}")
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError, RecursionError) as error:
        raise UserError(f"{path} is damaged ({error}): pre-train again, or copy the {kind.name} anew") from error
    if not isinstance(description, dict) or description.get("format") != kind.format:
        raise UserError(f"{path} does not describe a {kind.name} of recbole_idp: {remedy}")
    checksum = description.pop("checksum", None)
    if description.get("version") not in kind.readable:
        raise UserError(
            f"{folder} is a {kind.name} of format version {description.get('version')}, this release reads "
            f"version {kind.version}: pre-train again, or install the release that wrote it"
        )
    if checksum != fingerprint(description):
        raise UserError(f"{path} is damaged or was changed: pre-train again, or copy the {kind.name} anew")
    if not isinstance(description.get("sha256"), dict) or not kind.needs <= set(description["sha256"]):
        raise UserError(f"{path} is damaged (its list of files is incomplete): pre-train again")
    try:
        check_schema(description, {"sha256": ObjectOf(str), **kind.says})
    except SchemaError as error:
        raise UserError(
            f"{path} is not as {kind.maker} writes it ({error}): do not use it, make the {kind.name} again"
        ) from None
    return description


def find_or_make(folder, kind, digits, find, make):
    """Opens a folder that the same data and settings have made before, or makes it; others meanwhile wait for it.

    Args:
        folder (Path): Where it is, or will be.
        kind (Kind): What it is.
        digits (str): The fingerprint of data and settings.
        find (Callable[[Path], Any]): Opens it.
        make (Callable[[], Any]): Makes it.

    Returns:
        Any: What ``find`` or ``make`` returns.

    Raises:
        UserError: A file lies there, or a folder that is something else or of another version.
    """
    with alone(folder.with_name(f".{folder.name}.lock"), folder):
        if folder.exists() and not folder.is_dir():
            raise UserError(
                f"{folder}, where the {kind.name} would be made, is a file: move it, or choose checkpoint_dir"
            )
        if folder.is_dir() and read_sealed(folder, kind).get("fingerprint") == digits:
            logging.getLogger().info(f"The {kind.name} was made before with the same data and settings: {folder}")
            return find(folder)
        return make()


def content_digest(folder):
    """Returns what stands for the content of a sealed folder of any kind: the digest of its description.

    Args:
        folder (str | Path): The folder.

    Returns:
        str: Hexadecimal digits; the path itself where no description is there, which opening it will complain of.
    """
    digests = [sha256_of_file(path) for path in sorted(Path(folder).glob("*.json"))]
    return fingerprint(digests) if digests else str(folder)


def read_weights(path, kind):
    """Reads the weights of a folder that was checked.

    Args:
        path (Path): A safetensors file in it.
        kind (Kind): What the folder is.

    Returns:
        dict[str, torch.Tensor]: The weights.

    Raises:
        UserError: The file cannot be read.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path} cannot be read ({error}): make the {kind.name} again") from error


def check_sealed(folder, kind):
    """Reads a description and checks each file that it names.

    Args:
        folder (str | Path): The folder.
        kind (Kind): What it should be.

    Returns:
        dict: The description.

    Raises:
        UserError: The folder cannot be used, or a file is missing or was changed.
    """
    folder = Path(folder)
    description = read_sealed(folder, kind)
    for name, expected in description["sha256"].items():
        path = folder / name
        if folder.resolve() not in path.resolve().parents:
            raise UserError(f"{folder / kind.file} names a file outside of the {kind.name}: {name}; do not use it")
        if not path.is_file():
            raise UserError(f"{kind.name} {folder} lacks {name}: pre-train again, or copy the whole folder")
        if sha256_of_file(path) != expected:
            raise UserError(f"{path} is damaged or was changed: pre-train again, or copy the {kind.name} anew")
    return description
