"""The folder of a trained model: all that recommending needs, and nothing that opening could execute."""

from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from recbole_idp.errors import UserError
from recbole_idp.serving.card import model_card
from recbole_idp.serving.user_encoder import KINDS, build_user_encoder, history_length
from recbole_idp.serving.user_vectors import IDS as USER_IDS
from recbole_idp.serving.user_vectors import VECTORS as USERS
from recbole_idp.serving.user_vectors import UserVectors
from recbole_idp.storage.files import fingerprint
from recbole_idp.storage.folders import new_folder
from recbole_idp.storage.schema import Nullable, ObjectOf
from recbole_idp.storage.sealed import FolderFormat, check_sealed, seal, write_weights

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
    """A model as recommending needs it. N items with padding, D width.

    Attributes:
        item_vectors (torch.Tensor): Vector of every item as input, row 0 being padding; shape [N, D].
        candidate_vectors (torch.Tensor): As candidate, often the same tensor; shape [N, D].
        item_bias (torch.Tensor | None): Added to the score of every item; shape [N].
        encoder (dict[str, torch.Tensor]): State of the sequence encoder.
        tokens (list[str]): Ids of items 1 to N - 1.
        titles (list[str]): Their titles, empty where there is none.
        description (dict): ``model``, ``dataset``, ``variant``, ``seed``, ``encoder`` (kind and sizes),
            ``hidden_event``, ``temperature``, ``only_unseen``, ``bundle``, ``added``, ``valid``, ``test``, ``config``,
            ``versions``.
        transfer (dict[str, torch.Tensor] | None): What the items were generated from: ``vectors`` [N - 1, W], which
            matching compared, ``items`` and ``similarities`` of the matches [N - 1, m]; None where nothing was.
        users (UserVectors | None): The target's users; None where ``keep_users`` is not set.
        folder (Path | None): Where it was opened from.
    """

    item_vectors: torch.Tensor
    candidate_vectors: torch.Tensor
    item_bias: torch.Tensor | None
    encoder: dict
    tokens: list
    titles: list
    description: dict
    transfer: dict | None = None
    users: UserVectors | None = None
    folder: Path = field(default=None)

    def save(self, folder, may_exist=False):
        """Write the folder, whole or not at all.

        Args:
            folder (str | Path): The folder to make.
            may_exist (bool): Whether another process may make the same meanwhile, which then stays.

        Raises:
            UserError: It is there already, or cannot be written.
        """
        if not may_exist:
            check_absent(folder)
        with new_folder(folder) as building:
            self._fill(building)

    def _fill(self, building):
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
    def open(cls, folder):
        """Open a folder after checking each of its files; nothing in it is executed.

        Args:
            folder (str | Path): What :meth:`save` wrote.

        Returns:
            TrainedModel: The model.

        Raises:
            UserError: It is missing, of another format or version, a file was changed, or one is there that does not
                belong to it.
        """
        folder = Path(folder)
        _check_names(folder)
        description = check_sealed(folder, FORMAT)
        tokens, titles = _read_items(folder / ITEMS)
        try:
            tensors = load_file(folder / MODEL)
            transfer = load_file(folder / TRANSFER) if (folder / TRANSFER).is_file() else None
            vectors = tensors.pop("item_vectors")
            candidates, bias = tensors.pop("candidate_vectors", vectors), tensors.pop("item_bias", None)
            encoder = {name.removeprefix(_ENCODER): value for name, value in tensors.items()}
            users = UserVectors.read(folder, len(tokens) + 1, description["encoder"]["hidden_size"])
            model = cls(vectors, candidates, bias, encoder, tokens, titles, description, transfer, users, folder)
            model._check()
            model.user_encoder()
        except (SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
            reason = " ".join(str(error).split())[:200]
            raise UserError(f"trained model {folder} cannot be read ({reason}): train it again") from error
        return model

    def user_encoder(self):
        """Make what turns histories into states; see :class:`~recbole_idp.serving.user_encoder.UserEncoder`."""
        return build_user_encoder(self.description, self.encoder, self.item_vectors)

    def digest(self):
        """Return 16 hexadecimal digits that stand for the content of the folder that was opened."""
        return fingerprint(self.description)

    def _check(self):
        """Raise ValueError where the parts do not fit each other, as a stranger may have sealed anything."""
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


def check_absent(folder):
    """Check that a folder which is to be made does not exist.

    Raises:
        UserError: It does.
    """
    if Path(folder).exists():
        raise UserError(f"{folder} exists already: choose another folder, or delete it first")


def write_items(path, tokens, titles):
    """Write ids and titles, one item a line."""
    lines = (f"{token}\t{' '.join(title.split())}" for token, title in zip(tokens, titles, strict=True))
    path.write_text("\n".join([_HEADER, *lines]) + "\n", encoding="utf-8", errors="replace")


def _check_names(folder):
    """Raise where something lies in a folder that no trained model has: it would come from somebody else."""
    if not folder.is_dir():
        raise UserError(f"{folder} is no trained model: there is no such folder; give a folder that the task run made")
    if not (folder / DESCRIPTION).is_file():
        raise UserError(f"{folder} is no trained model: it has no {DESCRIPTION}; give a folder that the task run made")
    for path in sorted(folder.iterdir()):
        if path.is_symlink() or path.name not in _NAMES or not path.is_file():
            what = "a link" if path.is_symlink() else "nothing of a trained model"
            raise UserError(f"{path} is {what}: do not use this folder, or remove it")


def _read_items(path):
    """Read what :func:`write_items` wrote; return ids and titles."""
    try:
        header, *lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
        tokens, titles = (list(part) for part in zip(*(line.split("\t") for line in lines), strict=True))
    except ValueError as error:
        raise UserError(f"{path} is no list of ids and titles: train the model again") from error
    if header != _HEADER or len(set(tokens)) != len(tokens):
        raise UserError(f"{path} is no list of ids and titles, each id once: train the model again")
    return tokens, titles
