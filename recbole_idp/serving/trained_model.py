"""The folder of a trained model: all that recommending needs. Opening it executes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from recbole_idp.errors import UserError
from recbole_idp.serving.card import model_card
from recbole_idp.serving.user_encoder import KINDS, build_user_encoder, history_length
from recbole_idp.serving.user_vectors import IDS as USER_IDS
from recbole_idp.serving.user_vectors import VECTORS as USERS
from recbole_idp.serving.user_vectors import UserVectors
from recbole_idp.storage.files import fingerprint
from recbole_idp.storage.folders import new_folder, only_folder
from recbole_idp.storage.schema import Nullable, ObjectOf
from recbole_idp.storage.sealed import FolderFormat, check_sealed, seal, write_weights
from recbole_idp.storage.tensors import read_tensors

if TYPE_CHECKING:
    from recbole_idp.serving.user_encoder import UserEncoder

DESCRIPTION, MODEL, ITEMS, TRANSFER, CARD = (
    "trained.json",
    "model.safetensors",
    "items.tsv",
    "transfer.safetensors",
    "README.md",
)
FORMAT = FolderFormat(
    name="trained model",
    made_by="the task run",
    identifier="recbole_idp trained model",
    description_file=DESCRIPTION,
    required_files=frozenset((MODEL, ITEMS)),
    schema={
        "model": str,
        "dataset": str,
        "variant": str,
        "seed": int,
        "added": int,
        "hidden_event": bool,
        "only_unseen": bool,
        "valid": ObjectOf(float),
        "test": ObjectOf(float),
        "encoder": {"kind": set(KINDS), "hidden_size": int, "MAX_ITEM_LIST_LENGTH": int},
        "temperature": Nullable(float),
        "config": ObjectOf(),
        "bundle": Nullable({"name": str, "fingerprint": str, "domains": [str]}),
    },
)
_NAMES = frozenset((DESCRIPTION, MODEL, ITEMS, TRANSFER, CARD, USERS, USER_IDS))
_ENCODER = "encoder/"
_HEADER = "item_id\ttitle"


@dataclass
class TrainedModel:
    """A trained model for recommending. N items with padding, D width.

    Attributes:
        item_vectors: Input vector of each item, row 0 being padding; shape [N, D].
        candidate_vectors: Candidate vector of each item, often the same tensor; shape [N, D].
        item_bias: Bias of each item's score; shape [N]. None: there is none.
        encoder: State dict of the sequence encoder.
        tokens: Ids of items 1 to N - 1.
        titles: Their titles, empty where there is none.
        description: ``model``, ``dataset``, ``variant``, ``seed``, ``encoder`` (kind and sizes), ``hidden_event``,
            ``temperature``, ``only_unseen``, ``bundle``, ``added``, ``valid``, ``test``, ``config``,
            ``versions``.
        transfer: What the item embeddings were generated from: the text vectors that were matched, ``vectors``
            [N - 1, W], and ``items`` and ``similarities`` of the matches [N - 1, m]; None if they were not generated.
        users: The target's users; None where ``keep_users`` is not set.
        folder: The folder that it was opened from; None: it is not saved yet.
    """

    item_vectors: torch.Tensor
    candidate_vectors: torch.Tensor
    item_bias: torch.Tensor | None
    encoder: dict[str, torch.Tensor]
    tokens: list[str]
    titles: list[str]
    description: dict[str, Any]
    transfer: dict[str, torch.Tensor] | None = None
    users: UserVectors | None = None
    folder: Path | None = field(default=None)

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

    def _fill(self, building: Path) -> None:
        """Write all files into a folder, and seal it."""
        tensors = {_ENCODER + name: value for name, value in self.encoder.items()}
        tensors["item_vectors"] = self.item_vectors
        if self.candidate_vectors is not self.item_vectors:
            tensors["candidate_vectors"] = self.candidate_vectors
        if self.item_bias is not None:
            tensors["item_bias"] = self.item_bias
        write_weights(building / MODEL, tensors)
        if self.transfer is not None:
            write_weights(building / TRANSFER, self.transfer)
        if self.users is not None:
            write_weights(building / USERS, self.users.tensors())
            self.users.write_ids(building / USER_IDS)
        write_items(building / ITEMS, self.tokens, self.titles)
        (building / CARD).write_text(model_card(self), encoding="utf-8")
        seal(building, FORMAT, self.description)

    @classmethod
    def open(cls, folder: str | Path) -> TrainedModel:
        """Open a folder after checking each of its files; nothing in it is executed.

        Args:
            folder: A folder that :meth:`save` wrote.

        Returns:
            The model.

        Raises:
            UserError: The folder is missing or has another format or version, or a file was changed or does not belong
                to it.
        """
        folder = Path(folder)
        _check_names(folder)
        description = check_sealed(folder, FORMAT)
        tokens, titles = _read_items(folder / ITEMS)
        try:
            tensors = read_tensors(folder / MODEL)
            transfer = read_tensors(folder / TRANSFER) if (folder / TRANSFER).is_file() else None
            vectors = tensors.pop("item_vectors")
            candidates, bias = tensors.pop("candidate_vectors", vectors), tensors.pop("item_bias", None)
            encoder = {name.removeprefix(_ENCODER): value for name, value in tensors.items()}
            users = UserVectors.read(folder, len(tokens) + 1, description["encoder"]["hidden_size"])
            model = cls(vectors, candidates, bias, encoder, tokens, titles, description, transfer, users, folder)
            model._check()
            model.user_encoder()
        except (OSError, KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
            reason = " ".join(str(error).split())[:200]
            raise UserError(f"trained model {folder} cannot be read ({reason}): train it again") from error
        return model

    def user_encoder(self) -> UserEncoder:
        """Rebuild the user encoder; see :class:`~recbole_idp.serving.user_encoder.UserEncoder`."""
        return build_user_encoder(self.description, self.encoder, self.item_vectors)

    def digest(self) -> str:
        """Return 16 hexadecimal digits that stand for the content of the folder that was opened."""
        return fingerprint(self.description)

    def _check(self) -> None:
        """Raise ValueError where the parts do not fit each other; a seal alone does not make a folder consistent."""
        shape = (len(self.tokens) + 1, self.description["encoder"]["hidden_size"])
        for name, tensor in (("item_vectors", self.item_vectors), ("candidate_vectors", self.candidate_vectors)):
            if tensor.shape != shape or tensor.dtype != torch.float32:
                raise ValueError(f"{name} has shape {list(tensor.shape)} and not {list(shape)} of float32")
            if not torch.isfinite(tensor).all():
                raise ValueError(f"{name} has values that are not numbers")
        if self.item_bias is not None and (self.item_bias.shape != shape[:1] or not self.item_bias.isfinite().all()):
            raise ValueError("item_bias has another length, or values that are not numbers")
        temperature = self.description["temperature"]
        if history_length(self.description) < 1 or (temperature is not None and temperature <= 0):
            raise ValueError("it reads no event of a history, or its temperature is not positive")


def check_absent(folder: str | Path) -> None:
    """Check that a folder to be made does not exist.

    Raises:
        UserError: It exists.
    """
    if Path(folder).exists():
        raise UserError(f"{folder} exists already: choose another folder, or delete it first")


def write_items(path: Path, tokens: Sequence[str], titles: Sequence[str]) -> None:
    """Write ids and titles, one item a line."""
    lines = (f"{token}\t{' '.join(title.split())}" for token, title in zip(tokens, titles, strict=True))
    path.write_text("\n".join([_HEADER, *lines]) + "\n", encoding="utf-8", errors="replace")


def _check_names(folder: Path) -> None:
    """Raise UserError where a folder is no trained model, or has a file that no trained model has."""
    if not folder.is_dir():
        raise UserError(f"{folder} is no trained model: there is no such folder; give a folder that the task run made")
    if not (folder / DESCRIPTION).is_file():
        raise UserError(f"{folder} is no trained model: it has no {DESCRIPTION}; give a folder that the task run made")
    for path in sorted(folder.iterdir()):
        if path.is_symlink() or path.name not in _NAMES or not path.is_file():
            what = "a link" if path.is_symlink() else "nothing of a trained model"
            raise UserError(f"{path} is {what}: do not use this folder, or remove it")


def _read_items(path: Path) -> tuple[list[str], list[str]]:
    """Read a file of :func:`write_items`; return ids and titles."""
    try:
        header, *lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
        tokens, titles = (list(part) for part in zip(*(line.split("\t") for line in lines), strict=True))
    except ValueError as error:
        raise UserError(f"{path} is no list of ids and titles: train the model again") from error
    if header != _HEADER or len(set(tokens)) != len(tokens):
        raise UserError(f"{path} is no list of ids and titles, each id once: train the model again")
    return tokens, titles
