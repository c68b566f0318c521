"""Write and read the file that marks a saved text encoder: kind, settings, and checksums of the other files."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from recbole_idp.errors import UserError
from recbole_idp.storage.files import parse_json, sha256_of_file, system_error, unwritable, write_json
from recbole_idp.storage.folders import open_to_others
from recbole_idp.storage.schema import Nullable, ObjectOf, check_schema
from recbole_idp.storage.sealed import check_listed

SETTINGS_FILE = "recbole_idp_text_encoder.json"
_FORMAT = 1
_SCHEMAS: dict[str, dict[str, Any]] = {
    "sentence": {"name": str, "pooling": Nullable({"cls", "mean", "max"}), "max_tokens": int},
    "lsa": {"width": int, "fingerprint": str, "terms": int},
}


@contextlib.contextmanager
def write_settings(folder: str | Path, kind: str, settings: Mapping[str, Any]) -> Iterator[Path]:
    """Yield the folder for the block to fill, then write the settings and the checksums of what the block wrote.

    Args:
        folder: The folder, which is made if it is missing.
        kind: ``sentence`` or ``lsa``.
        settings: JSON-serialisable settings, with the keys of this kind.

    Yields:
        The folder.

    Raises:
        UserError: The folder cannot be written.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / SETTINGS_FILE).unlink(missing_ok=True)
        yield folder
        written = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != SETTINGS_FILE)
        checksums = {path.relative_to(folder).as_posix(): sha256_of_file(path) for path in written}
        open_to_others(folder)
    except Exception as error:
        if (cause := system_error(error)) is None:
            raise
        raise unwritable(folder, cause) from error
    write_json(folder / SETTINGS_FILE, {"format": _FORMAT, "kind": kind, "settings": settings, "sha256": checksums})


def read_kind(folder: str | Path) -> str:
    """Check the folder of a saved encoder and return its kind; raise UserError as :func:`read_settings` does."""
    return _read(Path(folder))["kind"]


def read_settings(folder: str | Path) -> dict[str, Any]:
    """Read the settings of a saved encoder.

    Args:
        folder: The folder that an encoder's ``save`` wrote.

    Returns:
        The settings.

    Raises:
        UserError: The folder is not a saved encoder, was written by another version, or a file in it has changed.
    """
    return _read(Path(folder))["settings"]


def check_files(folder: str | Path) -> None:
    """Check all files of a saved encoder by their checksums.

    Args:
        folder: The folder that an encoder's ``save`` wrote.

    Raises:
        UserError: A file is missing, was changed, or is not on the list.
    """
    folder = Path(folder)
    checksums = _read(folder)["sha256"]
    for name in checksums:
        if not (folder / name).is_file():
            raise UserError(f"text encoder folder {folder}: {name} is missing; make it again")
    try:
        check_listed(folder, checksums, SETTINGS_FILE)
    except ValueError as error:
        raise UserError(f"text encoder folder {folder} {error}: do not use it, or make it again") from None
    for name, expected in checksums.items():
        if sha256_of_file(folder / name) != expected:
            raise UserError(f"text encoder folder {folder}: {name} is damaged (checksum differs); make it again")


def _read(folder: Path) -> dict[str, Any]:
    """Read and check the file that marks a saved encoder."""
    path = folder / SETTINGS_FILE
    if not path.is_file():
        raise UserError(f"{folder} is not a saved text encoder ({SETTINGS_FILE} is missing): give another folder")
    try:
        content = parse_json(path)
        if content["format"] != _FORMAT:
            raise UserError(f"{path} has format {content['format']}, this version reads {_FORMAT}: make it again")
        schema = _SCHEMAS.get(content["kind"]) or {}
        check_schema(content, {"kind": set(_SCHEMAS), "settings": schema, "sha256": ObjectOf(str)})
        if set(content["settings"]) != set(schema) or any(value < 1 for value in _numbers(content["settings"])):
            raise ValueError("unexpected content")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is damaged: make the text encoder folder again") from error
    return content


def _numbers(settings: Mapping[str, Any]) -> list[int]:
    """Return the whole numbers among settings."""
    return [value for value in settings.values() if isinstance(value, int)]
