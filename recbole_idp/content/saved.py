"""Write and read the file that marks a saved encoder of contents: kind, settings, and checksums of the other files."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from recbole_idp.errors import UserError
from recbole_idp.storage.files import parse_json, sha256_of_file, system_error, unwritable, write_json
from recbole_idp.storage.folders import open_to_others
from recbole_idp.storage.schema import ObjectOf, check_schema
from recbole_idp.storage.sealed import check_listed

_FORMAT = 1


class SavedEncoders:
    """The folders of saved encoders of one sort.

    Args:
        what: What they are, for messages.
        file: Name of the file that marks such a folder.
        schemas: Kinds of encoders, and the schema of each one's settings.
    """

    def __init__(self, what: str, file: str, schemas: Mapping[str, Mapping[str, Any]]) -> None:
        self.file = file
        self._what, self._schemas = what, schemas

    @contextlib.contextmanager
    def write(self, folder: str | Path, kind: str, settings: Mapping[str, Any]) -> Iterator[Path]:
        """Yield the folder for the block to fill, then write the settings and the checksums of what the block wrote.

        Args:
            folder: The folder, which is made if it is missing.
            kind: One of the kinds.
            settings: JSON-serialisable settings, with the keys of this kind.

        Yields:
            The folder.

        Raises:
            UserError: The folder cannot be written.
        """
        folder = Path(folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / self.file).unlink(missing_ok=True)
            yield folder
            written = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != self.file)
            checksums = {path.relative_to(folder).as_posix(): sha256_of_file(path) for path in written}
            open_to_others(folder)
        except Exception as error:
            if (cause := system_error(error)) is None:
                raise
            raise unwritable(folder, cause) from error
        write_json(folder / self.file, {"format": _FORMAT, "kind": kind, "settings": settings, "sha256": checksums})

    def kind(self, folder: str | Path) -> str:
        """Check the folder of a saved encoder and return its kind; raise UserError as :meth:`settings` does."""
        return self._read(Path(folder))["kind"]

    def settings(self, folder: str | Path) -> dict[str, Any]:
        """Read the settings of a saved encoder.

        Args:
            folder: The folder that an encoder's ``save`` wrote.

        Returns:
            The settings.

        Raises:
            UserError: The folder is not a saved encoder, was written by another version, or a file in it has changed.
        """
        return self._read(Path(folder))["settings"]

    def check(self, folder: str | Path) -> None:
        """Check all files of a saved encoder by their checksums.

        Args:
            folder: The folder that an encoder's ``save`` wrote.

        Raises:
            UserError: A file is missing, was changed, or is not on the list.
        """
        folder = Path(folder)
        checksums = self._read(folder)["sha256"]
        for name in checksums:
            if not (folder / name).is_file():
                raise UserError(f"{self._what} folder {folder}: {name} is missing; make it again")
        try:
            check_listed(folder, checksums, self.file)
        except ValueError as error:
            raise UserError(f"{self._what} folder {folder} {error}: do not use it, or make it again") from None
        for name, expected in checksums.items():
            if sha256_of_file(folder / name) != expected:
                raise UserError(f"{self._what} folder {folder}: {name} is damaged (checksum differs); make it again")

    def _read(self, folder: Path) -> dict[str, Any]:
        """Read and check the file that marks a saved encoder."""
        path = folder / self.file
        if not path.is_file():
            raise UserError(f"{folder} is not a saved {self._what} ({self.file} is missing): give another folder")
        try:
            content = parse_json(path)
            if content["format"] != _FORMAT:
                raise UserError(f"{path} has format {content['format']}, this version reads {_FORMAT}: make it again")
            schema = self._schemas.get(content["kind"]) or {}
            check_schema(content, {"kind": set(self._schemas), "settings": schema, "sha256": ObjectOf(str)})
            if set(content["settings"]) != set(schema) or any(value < 1 for value in _numbers(content["settings"])):
                raise ValueError("unexpected content")
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(f"{path} is damaged: make the {self._what} folder again") from error
        return content


def _numbers(settings: Mapping[str, Any]) -> list[int]:
    """Return the whole numbers among settings."""
    return [value for value in settings.values() if isinstance(value, int)]
