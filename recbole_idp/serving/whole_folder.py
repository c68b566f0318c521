"""Folders of trained models are written whole or not at all."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar

from recbole_idp.errors import UserError
from recbole_idp.storage.files import fingerprint
from recbole_idp.storage.folders import new_folder, only_folder
from recbole_idp.storage.sealed import FolderFormat

DESCRIPTION, GENERATIVE = "trained.json", "generative.json"
"""The file that describes a trained model; that of one that writes items, where others have item vectors."""


class WholeFolder(ABC):
    """The content of the folder of a trained model.

    Attributes:
        folder_format: Format of such folders.
        description: What the folder says about itself.
    """

    folder_format: ClassVar[FolderFormat]

    description: dict[str, Any]

    def save(self, folder: str | Path, may_exist: bool = False) -> None:
        """Write the folder, whole or not at all.

        Args:
            folder: Folder to make.
            may_exist: Whether the folder of another process that makes the same is kept.

        Raises:
            UserError: The folder exists, or cannot be written.
        """
        if not may_exist:
            check_absent(folder)
        with (new_folder if may_exist else only_folder)(folder) as building:
            self._fill(building)

    @abstractmethod
    def _fill(self, building: Path) -> None:
        """Write all files into a folder, and seal it."""

    def digest(self) -> str:
        """Return 16 hexadecimal digits that stand for the content of the folder that was opened."""
        return fingerprint(self.description)


def check_absent(folder: str | Path) -> None:
    """Check that a folder to be made does not exist.

    Raises:
        UserError: It exists.
    """
    if Path(folder).exists():
        raise UserError(f"{folder} exists already: choose another folder, or delete it first")


def check_trained(folder: str | Path) -> None:
    """Check, before anything is loaded, that a folder can be that of a trained model.

    Raises:
        UserError: It cannot.
    """
    if not any((Path(folder) / name).is_file() for name in (DESCRIPTION, GENERATIVE)):
        missing = f"it has no {DESCRIPTION}" if Path(folder).is_dir() else "there is no such folder"
        raise UserError(f"{folder} is no trained model: {missing}; give a folder that the task run made")
