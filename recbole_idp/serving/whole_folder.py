"""Folders of trained models are written whole or not at all."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from recbole_idp.errors import UserError
from recbole_idp.storage.files import fingerprint
from recbole_idp.storage.folders import new_folder, only_folder

GENERATIVE = "generative.json"
"""The file that says that a folder holds a model that writes items; others have item vectors."""


class WholeFolder(ABC):
    """The content of the folder of a trained model.

    Attributes:
        description: What the folder says about itself.
    """

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
