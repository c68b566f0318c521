"""CDIM at the depth ``head``: a projection on the vectors of the frozen text encoder."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional


class MatchingHead(nn.Module):
    """A linear change of text vectors, which is none before training.

    frozen vector x -> x + A x + b, A and b zero at first

    Args:
        width (int): W.
    """

    def __init__(self, width):
        super().__init__()
        self.change = nn.Linear(width, width)
        nn.init.zeros_(self.change.weight)
        nn.init.zeros_(self.change.bias)

    def forward(self, vectors):
        """Returns the changed vectors; shape as given, [..., W]."""
        return vectors + self.change(vectors)

    @torch.no_grad()
    def apply_to(self, frozen_vectors):
        """Changes the vectors of many items.

        Args:
            frozen_vectors (np.ndarray): Zero where an item has no text; shape [N, W].

        Returns:
            np.ndarray: Zero where they were; float32, shape [N, W].
        """
        device = self.change.weight.device
        changed = np.empty(frozen_vectors.shape, dtype=np.float32)
        for start in range(0, len(changed), _ROWS):
            block = torch.from_numpy(np.asarray(frozen_vectors[start : start + _ROWS], dtype=np.float32))
            changed[start : start + _ROWS] = self(block.to(device)).cpu().numpy()
        changed[~np.any(frozen_vectors, axis=1)] = 0
        return changed


_ROWS = 8192


class HeadTrainee:
    """The items' frozen vectors with a head to be trained; dropout falls on the frozen vectors.

    Args:
        frozen_vectors (np.ndarray): Zero where an item has no text; shape [S, W].
        dropout (float): Chance of each component to be dropped in training.
        device (str | torch.device): Where it computes.

    Attributes:
        module (nn.Module): What is trained.
    """

    def __init__(self, frozen_vectors, dropout, device="cpu"):
        self.module = MatchingHead(frozen_vectors.shape[1]).to(device)
        self._frozen = frozen_vectors
        self._inputs = torch.from_numpy(np.asarray(frozen_vectors, dtype=np.float32)).to(device)
        self._dropout = dropout

    def encode(self, rows):
        """Returns the vectors of items with a dropout pass of their own; shape [B, W].

        Args:
            rows (torch.LongTensor): Items, repeated ones drop other components; shape [B].
        """
        return self.module(functional.dropout(self._inputs[rows.to(self._inputs.device)], self._dropout))

    def vectors(self):
        """Returns the vectors of all items as they are without dropout; shape [S, W]."""
        return self.module.apply_to(self._frozen)
