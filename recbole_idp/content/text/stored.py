"""The one file that marks a saved text encoder: its kind, its settings and the checksums of its other files."""

import contextlib
import json
from pathlib import Path

from recbole_idp.errors import UserError
from recbole_idp.storage.files import sha256_of_file, system_error, unwritable, write_json

SETTINGS_FILE = "recbole_idp_text_encoder.json"
_FORMAT = 1
_KEYS = {
    "sentence": {"name", "pooling", "max_tokens"},
    "lsa": {"width", "fingerprint", "terms"},
}


@contextlib.contextmanager
def write_settings(folder, kind, settings):
    """Yields the folder for the block to fill, then writes the settings and the checksums of what the block wrote.

    Args:
        folder (str | Path): Made where it is missing.
        kind (str): ``sentence`` or ``lsa``.
        settings (dict): JSON-serialisable; the keys that the kind has.

    Yields:
        Path: The folder.

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
    except Exception as error:
        if (cause := system_error(error)) is None:
            raise
        raise unwritable(folder, cause) from error
    write_json(folder / SETTINGS_FILE, {"format": _FORMAT, "kind": kind, "settings": settings, "sha256": checksums})


def read_kind(folder):
    """Returns the kind of a saved encoder after checking the folder; raises UserError as :func:`read_settings`."""
    return _read(Path(folder))["kind"]


def read_settings(folder):
    """Reads the settings of a saved encoder.

    Args:
        folder (str | Path): What an encoder's ``save`` wrote.

    Returns:
        dict: The settings.

    Raises:
        UserError: The folder is not a saved encoder, was written by another version, or a file in it has changed.
    """
    return _read(Path(folder))["settings"]


def check_files(folder):
    """Compares the checksums of all files of a saved encoder; raises UserError naming the first that differs."""
    folder = Path(folder)
    for name, expected in _read(folder)["sha256"].items():
        path = folder / name
        if not path.is_file():
            raise UserError(f"text encoder folder {folder}: {name} is missing; make it again")
        if sha256_of_file(path) != expected:
            raise UserError(f"text encoder folder {folder}: {name} is damaged (checksum differs); make it again")


def _read(folder):
    path = folder / SETTINGS_FILE
    if not path.is_file():
        raise UserError(f"{folder} is not a saved text encoder ({SETTINGS_FILE} is missing): give another folder")
    try:
        content = json.loads(path.read_text("utf-8"))
        kind, settings, checksums = content["kind"], content["settings"], content["sha256"]
        if content["format"] != _FORMAT:
            raise UserError(f"{path} has format {content['format']}, this version reads {_FORMAT}: make it again")
        if kind not in _KEYS or set(settings) != _KEYS[kind] or not isinstance(checksums, dict):
            raise ValueError("unexpected content")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is damaged: make the text encoder folder again") from error
    return content
