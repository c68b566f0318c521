"""Find a pre-trained folder, or make it: one way for all models.

the folder that ``pretrained`` names -> opened, and checked against the target
all inputs of pre-training -> fingerprint -> the folder ``checkpoint_dir/PREFIX-DATASETS-DIGITS``
    exists -> opened
    else -> trained, from the last epoch of an interrupted run on -> written whole and sealed -> opened

A model brings two classes: a :class:`~recbole_idp.train.pretrained_folder.PretrainedFolder`, which holds what is
transferred, and a :class:`Pretraining`, which makes it. :mod:`recbole_idp.train.source_training` has what trainings on
source domains share.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic

from recbole_idp.config.derive import as_pretrained, derive, given_values
from recbole_idp.config.fingerprint import pretraining_values
from recbole_idp.data.content_hashes import content_hashes
from recbole_idp.data.keys import joined_sources
from recbole_idp.errors import UserError
from recbole_idp.storage.environment import versions
from recbole_idp.storage.files import fingerprint, remove_kept
from recbole_idp.storage.locks import alone
from recbole_idp.storage.sealed import read_sealed
from recbole_idp.train.clock import StageClock
from recbole_idp.train.pretrained_folder import FolderContent, FolderT, PretrainedFolder, write_folder
from recbole_idp.train.resumable import kept_files

if TYPE_CHECKING:
    from recbole.config import Config

    from recbole_idp.data.catalog import DatasetLocation


class Pretraining(ABC, Generic[FolderT]):
    """Pre-training of a model: the inputs that decide on the result, the training, and what is kept.

    Args:
        config: The target's configuration; ``pretrain_seed`` replaces its ``seed``.
        locations: Locations of the training datasets.

    Attributes:
        result: The class that opens the folder.
        prefix: First word of the folder's name.
        trains_on_target: Whether the target is among the training datasets.
        config: The configuration of pre-training.
        locations: As given.
    """

    result: type[FolderT]
    prefix: ClassVar[str]
    trains_on_target: ClassVar[bool] = False

    def __init__(self, config: Config, locations: Sequence[DatasetLocation]) -> None:
        self.config = as_pretrained(config)
        if not self.trains_on_target:
            # Who joins the target with sources joins these with one another; the target is not pre-trained on.
            groups = joined_sources(config["dataset"], config["shared_users"])
            self.config = derive(self.config, shared_users=groups)
        self.locations = locations

    def values(self) -> dict[str, Any]:
        """Return the keys and values that decide, with the data, on the result of pre-training.

        These are all keys of the model, except those that are declared not to affect pre-training.
        """
        return pretraining_values(given_values(self.config), self.model_name(), self.config["dataset"])

    def model_name(self) -> str:
        """Return the model whose declarations of keys apply; models that share a pre-trained folder return the same."""
        return self.config["model"]

    @abstractmethod
    def train(self, clock: StageClock) -> FolderContent:
        """Train on the datasets.

        Args:
            clock: Where stages are timed.

        Returns:
            The content of the folder.

        Raises:
            UserError: The data cannot be trained on.
        """

    @abstractmethod
    def card(self, description: Mapping[str, Any]) -> str:
        """Return the model card of the folder, as Markdown."""

    def deciding(self) -> dict[str, Any]:
        """Return all inputs that decide on the result, by name; models with a text encoder add it.

        See :func:`~recbole_idp.train.source_training.text_encoder_identity`.
        """
        return {
            "data": [content_hashes(location) for location in self.locations],
            "hyper_parameters": self.values(),
        }

    def dataset_names(self) -> list[str]:
        """Return the names of the datasets for the folder's name."""
        return list(self.config["source_domains"])

    @cached_property
    def fingerprint(self) -> str:
        """Hexadecimal digits of the hash of all inputs that decide on the result."""
        return fingerprint(self.deciding())

    @property
    def folder(self) -> Path:
        """The folder of the result."""
        names = "-".join(self.dataset_names())[:80]
        return Path(self.config["checkpoint_dir"]) / f"{self.prefix}-{names}-{self.fingerprint[:8]}"

    @property
    def unfinished(self) -> Path:
        """The folder of the training state, from which an interrupted training resumes."""
        return Path(self.config["checkpoint_dir"]) / f"unfinished-{self.prefix}-{self.fingerprint}"

    def kept_files(self) -> tuple[Path, ...]:
        """Return the files of the training state; they are removed when the folder is written."""
        return kept_files(self.unfinished)


def open_given(result: type[FolderT], folder: str | Path, dataset: str) -> FolderT:
    """Open the folder that a configuration names as ``pretrained``.

    Args:
        result: The class that opens it.
        folder: The folder.
        dataset: Name of the target.

    Returns:
        The opened folder.

    Raises:
        UserError: The folder cannot be used, or not for this target.
    """
    found = result.open(folder)
    found.check_target(dataset)
    _log(result, f"{found.folder} (of {', '.join(found.domain_names())})")
    return found


def find_or_make(pretraining: Pretraining[FolderT], clock: StageClock | None = None) -> FolderT:
    """Open the folder that the same data and settings made before, or make it, while other processes wait.

    Args:
        pretraining: The pre-training.
        clock: Where stages are timed.

    Returns:
        The opened folder.

    Raises:
        UserError: The place of the folder is taken, or the data cannot be used for training.
    """
    folder, folder_format = pretraining.folder, pretraining.result.folder_format
    with alone(folder.with_name(f".{folder.name}.lock"), folder):
        if not folder.exists():
            _make(pretraining, clock or StageClock())
            _log(pretraining.result, folder)
        elif not folder.is_dir():
            raise UserError(
                f"{folder}, where the {folder_format.name} would be made, is a file: move it, or choose checkpoint_dir"
            )
        elif read_sealed(folder, folder_format).get("fingerprint") != pretraining.fingerprint:
            raise UserError(
                f"{folder}, where the {folder_format.name} would be made, was made with other data or settings: move "
                "it, or choose checkpoint_dir"
            )
        else:
            logging.getLogger().info(
                f"The {folder_format.name} was made before with the same data and settings: {folder}"
            )
        return pretraining.result.open(folder)


def _make(pretraining: Pretraining[FolderT], clock: StageClock) -> None:
    """Train, write the folder, and remove the training state."""
    content = pretraining.train(clock)
    description = {
        "fingerprint": pretraining.fingerprint,
        "domains": [vars(domain) for domain in content.domains],
        "hyper_parameters": pretraining.values(),
        "valid": dict(content.valid),
        "seed": pretraining.config["seed"],
        "versions": versions(),
        **content.facts,
    }
    write_folder(
        pretraining.folder, pretraining.result.folder_format, content, description, pretraining.card(description)
    )
    remove_kept(pretraining.kept_files())


def _log(result: type[PretrainedFolder], text: object) -> None:
    """Log the path of a folder."""
    name = result.folder_format.name
    logging.getLogger().info(f"{name[0].upper()}{name[1:]}: {text}")
