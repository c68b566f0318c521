"""The interface of item contents whose encoder is trained together with a recommender."""

from __future__ import annotations

import abc
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import torch
from torch import nn

if TYPE_CHECKING:
    from recbole_idp.content.text.interface import TextEncoder
    from recbole_idp.content.trainable.memory import StepMemory


class SavedEncoder(Protocol):
    """An encoder of contents that writes itself into a folder."""

    def save(self, folder: str | Path) -> None:
        """Write all that is needed to open it again."""


class TrainableContent(nn.Module, abc.ABC):
    """The contents of I inputs and an encoder of them. Its parameters are those that are trained.

    Attributes:
        width: Length W of a vector.
    """

    width: int

    def step_memory(self, n_rows: int) -> StepMemory | None:
        """Return the sizes that decide on the memory of a step; None where they are not known.

        Args:
            n_rows: Inputs that a step encodes, at most.
        """
        return None

    def snapshot(self) -> TextEncoder:
        """Return a copy of the encoder as it is now, which can be saved and used without this module."""
        raise NotImplementedError

    @abc.abstractmethod
    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Encode the contents of some inputs, in chunks of like length.

        Args:
            rows: Numbers of inputs, 0 being padding; int64, shape [R].

        Returns:
            Their vectors, zero for padding and for inputs without content; shape [R, W].
        """

    @abc.abstractmethod
    def tuned_encoder(self) -> SavedEncoder:
        """Return the encoder as trained so far; this module cannot be used afterwards."""
