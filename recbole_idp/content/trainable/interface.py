"""The interface of item contents whose encoder is trained together with a recommender."""

from __future__ import annotations

import abc
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import nn

from recbole_idp.content.trainable.memory import TOGETHER, StepMemory

Pool = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""Turns states [B, L, H] and their mask [B, L], 1 at tokens, into vectors [B, D]."""


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

    @abc.abstractmethod
    def step_memory(self, n_rows: int) -> StepMemory:
        """Return what decides on the memory of a step.

        Args:
            n_rows: Inputs that a step encodes, at most.
        """

    @abc.abstractmethod
    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Encode the contents of some inputs, in chunks of like length.

        Args:
            rows: Numbers of inputs, 0 being padding; int64, shape [R].

        Returns:
            Their vectors, zero for padding and for inputs without content; shape [R, W].
        """

    @abc.abstractmethod
    def snapshot(self) -> SavedEncoder:
        """Return a copy of the encoder as it is now, which can be saved and used without this module."""

    @abc.abstractmethod
    def tuned_encoder(self) -> SavedEncoder:
        """Return the encoder as trained so far; this module cannot be used afterwards."""


class TokenStates(nn.Module, abc.ABC):
    """The texts of I inputs, whose tokens' states a recommender pools by itself.

    Attributes:
        state_width: Width H of a state.
    """

    state_width: int

    @abc.abstractmethod
    def pooled(self, rows: torch.Tensor, pool: Pool) -> torch.Tensor:
        """Pool the texts of some inputs, in chunks of like length.

        Args:
            rows: Numbers of inputs that have a text; int64, shape [R].
            pool: The pooling.

        Returns:
            Shape [R, D].
        """


def in_chunks(places: np.ndarray, lengths: np.ndarray, run: Callable[[np.ndarray], torch.Tensor]) -> torch.Tensor:
    """Run texts of like length together: padded to the longest of a random batch, most of it would be padding.

    Args:
        places: Numbers of texts; shape [R].
        lengths: Tokens of each text; shape [M].
        run: Returns the vectors of a chunk of them.

    Returns:
        The vectors in the order of the places; shape [R, D].
    """
    order = np.argsort(lengths[places], kind="stable")
    chunks = np.split(places[order], range(TOGETHER, len(order), TOGETHER))
    vectors = torch.cat([run(chunk) for chunk in chunks])
    return vectors[torch.from_numpy(np.argsort(order)).to(vectors.device)]
