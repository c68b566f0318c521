"""Pre-trained folders: their content, and how they are opened, checked and written.

weights, texts, parts with a folder of their own, facts, card -> one sealed folder -> checked and opened
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar

from recbole_idp.errors import UserError
from recbole_idp.hub.download import local_folder
from recbole_idp.storage.folders import new_folder
from recbole_idp.storage.sealed import FolderFormat, check_sealed, read_sealed, read_weights, seal, write_weights

if TYPE_CHECKING:
    import torch

    from recbole_idp.data.domains import Domain

WEIGHTS = "weights.safetensors"
"""The file of the weights, where there is one such file."""
CARD = "README.md"
"""The file with the model card."""
TEXT_ENCODER = "text_encoder"
"""The folder of the text encoder for the target's texts."""
IMAGE_ENCODER = "image_encoder"
"""The folder of the image encoder for the target's pictures."""


FolderT = TypeVar("FolderT", bound="PretrainedFolder")


@dataclass(frozen=True)
class PretrainedFolder:
    """Folder of a pre-trained model for transfer to the target. Opening it executes nothing.

    Subclasses add a field for each part, and read it in :meth:`read_parts`.

    Attributes:
        folder_format: Format of such folders.
        description: ``domains``, ``hyper_parameters``, ``valid``, ``seed``, ``fingerprint``, ``versions``, and
            further facts of the model.
        folder: The folder that it was opened from.
    """

    folder_format: ClassVar[FolderFormat]

    description: dict[str, Any]
    folder: Path

    @classmethod
    def open(cls: type[FolderT], folder: str | Path) -> FolderT:
        """Open a folder after checking each of its files; nothing in it is executed.

        Args:
            folder: The folder, or its address on the hub, ``hf://user/name``.

        Returns:
            The opened folder.

        Raises:
            UserError: The folder is missing, has another format or version, or a file was changed.
        """
        folder = Path(local_folder(folder))
        description = check_sealed(folder, cls.folder_format)
        if not description["domains"]:
            raise UserError(f"{folder} names no dataset that it was trained on: do not use it, or make it again")
        return cls(description=description, folder=folder, **cls.read_parts(folder, description))

    @classmethod
    def read_description(cls, folder: str | Path) -> dict[str, Any]:
        """Read the description alone, and check that this version can use the folder.

        Args:
            folder: The folder, or its address on the hub.

        Returns:
            The description.

        Raises:
            UserError: The folder has another format or version.
        """
        return read_sealed(local_folder(folder), cls.folder_format)

    @classmethod
    def read_parts(cls, folder: Path, description: Mapping[str, Any]) -> dict[str, Any]:
        """Read the fields that a subclass adds.

        Args:
            folder: The folder, whose files were checked.
            description: Its description.

        Returns:
            Value of each field by its name.

        Raises:
            UserError: A file cannot be read, or does not fit the others.
        """
        return {}

    def domain_names(self) -> list[str]:
        """Return the names of the datasets that it was trained on."""
        return [domain["name"] for domain in self.description["domains"]]

    def check_target(self, dataset: str) -> None:
        """Check that a target is none of the datasets that it was trained on.

        Args:
            dataset: Name of the target.

        Raises:
            UserError: The target is one of them, so that test events may have leaked into pre-training.
        """
        if dataset in (names := self.domain_names()):
            raise UserError(
                f"{dataset} is among the {self.folder_format.name}'s source domains ({', '.join(names)}): "
                "choose another target"
            )


@dataclass(frozen=True)
class PretrainedWeights(PretrainedFolder):
    """A pre-trained folder with the weights of a model.

    Attributes:
        state: The weights by their names in the model.
    """

    state: dict[str, torch.Tensor]

    @classmethod
    def read_parts(cls, folder: Path, description: Mapping[str, Any]) -> dict[str, Any]:
        """Read the weights."""
        return {"state": read_weights(folder / WEIGHTS, cls.folder_format)}


class Saveable(Protocol):
    """A part that writes a folder of its own, such as a text encoder."""

    def save(self, folder: Path) -> None:
        """Write the folder."""


@dataclass(frozen=True)
class FolderContent:
    """Content of a pre-trained folder.

    Attributes:
        domains: The training datasets.
        valid: Validation metrics; empty where nothing was validated.
        weights: Tensors by name, for each safetensors file by its name.
        facts: Further JSON-serialisable facts for the description.
        texts: Content of further text files by their names.
        parts: Parts that write a folder of their own, by the folder's name.
    """

    domains: Sequence[Domain]
    valid: Mapping[str, float]
    weights: Mapping[str, Mapping[str, torch.Tensor]]
    facts: Mapping[str, Any]
    texts: Mapping[str, str] = field(default_factory=dict)
    parts: Mapping[str, Saveable] = field(default_factory=dict)


def write_folder(
    folder: str | Path,
    folder_format: FolderFormat,
    content: FolderContent,
    description: Mapping[str, Any],
    card: str,
) -> None:
    """Write a sealed folder, whole or not at all.

    Args:
        folder: Folder to make.
        folder_format: Its format.
        content: Its parts.
        description: JSON-serialisable facts.
        card: The model card.

    Raises:
        UserError: The folder cannot be written, or the disk is full.
    """
    with new_folder(folder) as building:
        for name, weights in content.weights.items():
            write_weights(building / name, weights)
        for name, text in content.texts.items():
            (building / name).write_text(text, encoding="utf-8")
        for name, part in content.parts.items():
            part.save(building / name)
        (building / CARD).write_text(card, encoding="utf-8")
        seal(building, folder_format, description)


def card_text(title: str, summary: str, facts: Mapping[str, object], options: str) -> str:
    """Return a model card.

    Args:
        title: Its heading.
        summary: Content and origin of the folder, as Markdown.
        facts: Further facts, by name.
        options: Options of the command that uses the folder, without ``--pretrained``.

    Returns:
        Markdown.
    """
    lines = "".join(f"- {name}: {value}\n" for name, value in facts.items())
    command = f"python run_recbole_idp.py {options} --pretrained=THIS_FOLDER"
    return f"# {title}\n\n{summary}\n\n{lines}\nUse it: `{command}`\n"


def metrics_text(metrics: Mapping[str, float]) -> str:
    """Return metrics in a line of a model card."""
    return ", ".join(f"{name} {value:.4f}" for name, value in metrics.items()) or "none"


def table_text(header: Sequence[str], *columns: Sequence[str]) -> str:
    """Return a tab-separated table.

    Args:
        header: Names of the columns.
        columns: The columns; only the last one may have tabs in its texts.

    Returns:
        A line for the names and one for each row.
    """
    rows = ("\t".join(row) for row in zip(*columns, strict=True))
    return "\n".join(["\t".join(header), *rows]) + "\n"


def read_table(path: Path, width: int) -> list[list[str]]:
    """Read a table that :func:`table_text` made.

    Args:
        path: The file.
        width: Number of columns.

    Returns:
        The columns, without their names.

    Raises:
        UserError: The file is no such table.
    """
    try:
        rows = [line.split("\t", width - 1) for line in path.read_text(encoding="utf-8").split("\n")[1:-1]]
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({error}): pre-train again") from error
    if any(len(row) != width for row in rows):
        raise UserError(f"{path} is no table of {width} columns: pre-train again")
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(width)]
