"""The users of a trained model: their vectors after all of their events, and their histories."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from recbole_idp.storage.tensors import read_tensors

if TYPE_CHECKING:
    from recbole_idp.data.dataset import SequenceDataset
    from recbole_idp.serving.recommender import Recommender

VECTORS, IDS = "users.safetensors", "users.tsv"
_HEADER = "user_id"


@dataclass(frozen=True)
class UserVectors:
    """Vectors and histories of users. U users, E events, D width.

    Attributes:
        tokens: Ids of the users.
        vectors: State after each user's latest event; float32, shape [U, D].
        items: Item numbers of all events, those in other domains among them, by user and time; int32, shape [E].
        offsets: The history of user ``u`` is ``items[offsets[u]:offsets[u + 1]]``; int64, shape [U + 1].
    """

    tokens: list[str]
    vectors: torch.Tensor
    items: torch.Tensor
    offsets: torch.Tensor

    def history(self, user: int) -> list[int]:
        """Return the item numbers of a user's events, the latest last."""
        return self.items[self.offsets[user] : self.offsets[user + 1]].tolist()

    def renumbered(self, first: int, added: int) -> UserVectors:
        """Return the users with numbers from ``first`` on higher by ``added``."""
        items = torch.where(self.items < first, self.items, self.items + added)
        return UserVectors(self.tokens, self.vectors, items, self.offsets)

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return the tensors of the safetensors file by name."""
        return {"vectors": self.vectors, "items": self.items, "offsets": self.offsets}

    def write_ids(self, path: Path) -> None:
        """Write the ids, one a line."""
        path.write_text("\n".join([_HEADER, *self.tokens]) + "\n", encoding="utf-8", errors="replace")

    @classmethod
    def read(cls, folder: Path, n_inputs: int, width: int) -> UserVectors | None:
        """Read and check the files of users in the folder of a trained model.

        Args:
            folder: The folder.
            n_inputs: Items of the model that histories may hold, padding included.
            width: Width D of the vectors.

        Returns:
            The users; None where the folder has none.

        Raises:
            ValueError: The parts do not fit each other or the model.
            KeyError: A part is missing.
        """
        if not (folder / VECTORS).is_file():
            return None
        header, *tokens = (folder / IDS).read_text(encoding="utf-8").removesuffix("\n").split("\n")
        tensors = read_tensors(folder / VECTORS)
        users = cls(tokens, tensors["vectors"], tensors["items"], tensors["offsets"])
        if header != _HEADER or len(set(tokens)) != len(tokens):
            raise ValueError(f"{IDS} is no list of ids, each once")
        users._check(n_inputs, width)
        return users

    def _check(self, n_inputs: int, width: int) -> None:
        """Raise ValueError where the parts do not fit each other or the model."""
        if self.vectors.shape != (len(self.tokens), width) or self.vectors.dtype != torch.float32:
            raise ValueError(f"{VECTORS} has other than {len(self.tokens)} vectors of {width} numbers")
        if not torch.isfinite(self.vectors).all():
            raise ValueError(f"{VECTORS} has values that are not numbers")
        whole = self.items.dtype == torch.int32 and self.offsets.dtype == torch.int64
        fits = whole and self.items.ndim == 1 and self.offsets.shape == (len(self.tokens) + 1,)
        inside = fits and bool((self.items > 0).all() and (self.items < n_inputs).all())
        ordered = inside and bool((self.offsets.diff() > 0).all())
        if not ordered or int(self.offsets[0]) != 0 or int(self.offsets[-1]) != len(self.items):
            raise ValueError(f"{VECTORS} has histories of another form")


def user_vectors(recommender: Recommender, dataset: SequenceDataset) -> UserVectors:
    """Encode all users of a dataset.

    Args:
        recommender: The model.
        dataset: Any part of the target: the events of all parts count, including held-out ones.

    Returns:
        The users with at least one event that the model reads.
    """
    sequences, tokens = dataset.user_histories(), dataset.field2id_token[dataset.uid_field]
    parts = (part.tolist() for part in sequences.items.split(sequences.lengths().tolist()))
    there = [(user, history) for user, history in enumerate(parts) if recommender.read(history)]
    histories = [history for _, history in there]
    return UserVectors(
        [str(tokens[user]) for user, _ in there],
        recommender.states(histories),
        torch.tensor([item for history in histories for item in history], dtype=torch.int32),
        torch.tensor([0, *itertools.accumulate(map(len, histories))]),
    )
