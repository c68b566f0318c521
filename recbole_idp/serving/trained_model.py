"""The folder of a trained model: all that recommending needs. Opening it executes nothing."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from recbole_idp.data.item_names import HistoryItem
from recbole_idp.errors import UserError
from recbole_idp.serving.card import model_card
from recbole_idp.serving.content_items import ENCODER as CONTENT_ENCODER
from recbole_idp.serving.content_items import SCHEMA as CONTENT_SCHEMA
from recbole_idp.serving.content_items import WEIGHTS as CONTENT
from recbole_idp.serving.encoder_sizes import KINDS, history_length
from recbole_idp.serving.item_forms import read_content
from recbole_idp.serving.source_items import FILE as SOURCE_ITEMS
from recbole_idp.serving.source_items import SourceItems
from recbole_idp.serving.user_encoder import build_user_encoder
from recbole_idp.serving.user_vectors import IDS as USER_IDS
from recbole_idp.serving.user_vectors import VECTORS as USERS
from recbole_idp.serving.user_vectors import UserVectors
from recbole_idp.serving.whole_folder import DESCRIPTION, WholeFolder, check_trained
from recbole_idp.storage.schema import Nullable, ObjectOf, OptionalKey
from recbole_idp.storage.sealed import FolderFormat, check_sealed, seal, write_weights
from recbole_idp.storage.tensors import read_tensors

if TYPE_CHECKING:
    from recbole_idp.serving.content_items import ContentItems
    from recbole_idp.serving.new_items import NewItems
    from recbole_idp.serving.recommender import Recommender
    from recbole_idp.serving.user_encoder import AnyUserEncoder

MODEL, ITEMS, HISTORY_ITEMS, TRANSFER, TOKENIZER, CARD = (
    "model.safetensors",
    "items.tsv",
    "history_items.tsv",
    "transfer.safetensors",
    "tokenizer.json",
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
        "reads_own": OptionalKey(bool),
        "valid": ObjectOf(float),
        "test": ObjectOf(float),
        "encoder": {"kind": set(KINDS), "hidden_size": int, "MAX_ITEM_LIST_LENGTH": int},
        "temperature": Nullable(float),
        "config": ObjectOf(),
        "content": OptionalKey(CONTENT_SCHEMA),
        "bundle": Nullable({"name": str, "fingerprint": str, "domains": [str]}),
    },
)
_NAMES = frozenset((DESCRIPTION, MODEL, ITEMS, HISTORY_ITEMS, TRANSFER, SOURCE_ITEMS, TOKENIZER, CARD))
_NAMES |= {USERS, USER_IDS, CONTENT, CONTENT_ENCODER}
_ENCODER = "encoder/"
_HEADER, _HISTORY_HEADER = "item_id\ttitle", "domain\titem_id"


@dataclass
class TrainedModel(WholeFolder):
    """A trained model for recommending. N items with padding, S items of other domains, I = N + S inputs, D width.

    Attributes:
        item_vectors: Input vector of each item and then of each history item, row 0 being padding; shape [I, D].
        candidate_vectors: Candidate vector of each item, often those of the input; shape [N, D].
        item_bias: Bias of each item's score; shape [N]. None: there is none.
        encoder: State dict of the sequence encoder.
        tokens: Ids of items 1 to N - 1.
        titles: Their titles, empty where there is none.
        description: ``model``, ``dataset``, ``variant``, ``seed``, ``encoder`` (kind and sizes), ``hidden_event``,
            ``temperature``, ``only_unseen``, ``reads_own`` (whether histories hold the target's own items; it may be
            missing where they do), ``bundle``, ``added``, ``valid``, ``test``, ``config``, ``versions``.
        transfer: What the item embeddings were generated from: the text vectors that were matched, ``vectors``
            [N - 1, W], and ``items`` and ``similarities`` of the matches [N - 1, m]; None if they were not generated.
        users: The target's users; None where ``keep_users`` is not set.
        history_items: Items of other domains, which histories hold and which are never recommended.
        tokenizer: What makes tokens of the texts of new items, as text; None where items are not read as texts.
        content: What makes an item's vector from its text; None: its items are not their texts alone.
        source_items: What the source items of ``transfer`` are called; None: the folder was made before they were kept.
        folder: The folder that it was opened from; None: it is not saved yet.
    """

    folder_format = FORMAT

    item_vectors: torch.Tensor
    candidate_vectors: torch.Tensor
    item_bias: torch.Tensor | None
    encoder: dict[str, torch.Tensor]
    tokens: list[str]
    titles: list[str]
    description: dict[str, Any]
    transfer: dict[str, torch.Tensor] | None = None
    users: UserVectors | None = None
    history_items: list[HistoryItem] = field(default_factory=list)
    tokenizer: str | None = None
    content: ContentItems | None = None
    source_items: SourceItems | None = None
    folder: Path | None = field(default=None)

    @property
    def n_items(self) -> int:
        """The number of items, padding included: N."""
        return len(self.tokens) + 1

    @property
    def pretrained_on(self) -> list[str]:
        """The domains that it was pre-trained on, as far as the folder says it."""
        bundle = self.description["bundle"]
        return [] if bundle is None else bundle["domains"]

    @property
    def domains(self) -> list[str]:
        """The other domains whose items a history may hold."""
        return list(dict.fromkeys(item.domain for item in self.history_items))

    @property
    def read_numbers(self) -> range:
        """The numbers of the items that are read in a history; without the target's own, if it reads none of these."""
        first = 1 if self.description.get("reads_own", True) else self.n_items
        return range(first, self.n_items + len(self.history_items))

    def _fill(self, building: Path) -> None:
        """Write all files into a folder, and seal it."""
        tensors = {_ENCODER + name: value for name, value in self.encoder.items()}
        tensors["item_vectors"] = self.item_vectors
        if not torch.equal(self.candidate_vectors, self.item_vectors[: self.n_items]):
            tensors["candidate_vectors"] = self.candidate_vectors
        if self.item_bias is not None:
            tensors["item_bias"] = self.item_bias
        write_weights(building / MODEL, tensors)
        if self.transfer is not None:
            write_weights(building / TRANSFER, self.transfer)
        if self.source_items is not None:
            self.source_items.write(building / SOURCE_ITEMS)
        if self.tokenizer is not None:
            (building / TOKENIZER).write_text(self.tokenizer, encoding="utf-8")
        if self.content is not None:
            self.content.write(building)
        if self.users is not None:
            write_weights(building / USERS, self.users.tensors())
            self.users.write_ids(building / USER_IDS)
        write_items(building / ITEMS, self.tokens, self.titles)
        if self.history_items:
            write_history_items(building / HISTORY_ITEMS, self.history_items)
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
        others = _read_history_items(folder / HISTORY_ITEMS) if (folder / HISTORY_ITEMS).is_file() else []
        try:
            tensors = read_tensors(folder / MODEL)
            transfer = read_tensors(folder / TRANSFER) if (folder / TRANSFER).is_file() else None
            vectors = tensors.pop("item_vectors")
            candidates = tensors.pop("candidate_vectors", vectors[: len(tokens) + 1])
            bias = tensors.pop("item_bias", None)
            encoder = {name.removeprefix(_ENCODER): value for name, value in tensors.items()}
            n_inputs = len(tokens) + 1 + len(others)
            users = UserVectors.read(folder, n_inputs, description["encoder"]["hidden_size"])
            model = cls(vectors, candidates, bias, encoder, tokens, titles, description, transfer, users, others)
            if (folder / TOKENIZER).is_file():
                model.tokenizer = (folder / TOKENIZER).read_text(encoding="utf-8")
            if transfer is not None and (folder / SOURCE_ITEMS).is_file():
                model.source_items = SourceItems.read(folder / SOURCE_ITEMS, transfer["items"].numpy())
            about = description.get("content")
            model.content, model.folder = None if about is None else read_content(folder, about), folder
            model._check()
            model.user_encoder()
        except (OSError, KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
            reason = " ".join(str(error).split())[:200]
            raise UserError(f"trained model {folder} cannot be read ({reason}): train it again") from error
        return model

    def recommender(self) -> Recommender:
        """Return what recommends by it, scoring all items."""
        from recbole_idp.serving.recommender import Recommender

        return Recommender(self)

    def with_items(
        self, path: str | Path, pretrained: str | None = None, text_vectors: str | None = None
    ) -> tuple[TrainedModel, NewItems]:
        """Add the items of a file that the model does not have yet, without training.

        Args:
            path: An ``.item`` file.
            pretrained: Folder of the bundle that the model was made from; None: it lies beside the model.
            text_vectors: File of the items' vectors, for a model that was trained on vectors of the user's own.

        Returns:
            The extended model, not saved yet, and the new items.

        Raises:
            UserError: The file or the bundle cannot be used, or the model's items were not made from texts.
        """
        if not os.path.exists(path):
            from recbole_idp.data.atomic import no_file

            raise no_file(Path(path))
        if self.tokenizer is not None:
            from recbole_idp.serving import text_items

            if text_vectors is not None:
                raise UserError(f"{self.folder} was trained on texts: leave --text_vectors out")
            return text_items.add_text_items(self, path)
        from recbole_idp.serving import new_items

        if self.content is not None:
            return new_items.add_by_content(self, path, text_vectors)
        new_items.check_generated(self)
        bundle = new_items.find_bundle(self, pretrained)
        new_items.check_brings(bundle.description["text_encoder"]["name"], text_vectors, self.folder)
        new = new_items.read_new_items(self, path, text_vectors)
        return new_items.add_items(self, new, bundle), new

    def user_encoder(self) -> AnyUserEncoder:
        """Rebuild the user encoder; see :class:`~recbole_idp.serving.user_encoder.UserEncoder`."""
        return build_user_encoder(self.description, self.encoder, self.item_vectors)

    def _check(self) -> None:
        """Raise ValueError where the parts do not fit each other; a seal alone does not make a folder consistent."""
        width = self.description["encoder"]["hidden_size"]
        for name, tensor, rows in (
            ("item_vectors", self.item_vectors, self.n_items + len(self.history_items)),
            ("candidate_vectors", self.candidate_vectors, self.n_items),
        ):
            if tensor.shape != (rows, width) or tensor.dtype != torch.float32:
                raise ValueError(f"{name} has shape {list(tensor.shape)} and not {[rows, width]} of float32")
            if not torch.isfinite(tensor).all():
                raise ValueError(f"{name} has values that are not numbers")
        bias = self.item_bias
        if bias is not None and (bias.shape != (self.n_items,) or not bias.isfinite().all()):
            raise ValueError("item_bias has another length, or values that are not numbers")
        if not self.read_numbers:
            raise ValueError("it reads items of other domains alone, and knows none")
        temperature = self.description["temperature"]
        if history_length(self.description) < 1 or (temperature is not None and temperature <= 0):
            raise ValueError("it reads no event of a history, or its temperature is not positive")


def write_items(path: Path, tokens: Sequence[str], titles: Sequence[str]) -> None:
    """Write ids and titles, one item a line."""
    lines = (f"{token}\t{' '.join(title.split())}" for token, title in zip(tokens, titles, strict=True))
    path.write_text("\n".join([_HEADER, *lines]) + "\n", encoding="utf-8", errors="replace")


def write_history_items(path: Path, items: Sequence[HistoryItem]) -> None:
    """Write items of other domains, one a line."""
    lines = ("\t".join(item) for item in items)
    path.write_text("\n".join([_HISTORY_HEADER, *lines]) + "\n", encoding="utf-8", errors="replace")


def _check_names(folder: Path) -> None:
    """Raise UserError where a folder is no trained model, or has a file that no trained model has."""
    check_trained(folder)
    for path in sorted(folder.iterdir()):
        is_part = path.is_dir() if path.name == CONTENT_ENCODER else path.is_file()
        if path.is_symlink() or path.name not in _NAMES or not is_part:
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


def _read_history_items(path: Path) -> list[HistoryItem]:
    """Read a file of :func:`write_history_items`."""
    try:
        header, *lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
        items = [HistoryItem(*line.split("\t")) for line in lines]
    except (ValueError, TypeError) as error:
        raise UserError(f"{path} is no list of domains and ids: train the model again") from error
    if header != _HISTORY_HEADER or len(set(items)) != len(items) or not all(all(item) for item in items):
        raise UserError(f"{path} is no list of domains and ids, each item once: train the model again")
    return items
