"""CDIM at the depth ``head``: a projection on the vectors of the frozen text encoder."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional


class MatchingHead(nn.Module):
    """A linear change of text vectors, the identity before training.

    frozen vector x -> x + A x + b, A and b zero at first

    Args:
        width: Width W of the vectors.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.change = nn.Linear(width, width)
        nn.init.zeros_(self.change.weight)
        nn.init.zeros_(self.change.bias)

    def forward(self, vectors: torch.Tensor) -> torch.Tensor:
        """Return the changed vectors; shape as given, [..., W]."""
        return vectors + self.change(vectors)

    @torch.no_grad()
    def apply_to(self, frozen_vectors: np.ndarray) -> np.ndarray:
        """Change the vectors of many items.

        Args:
            frozen_vectors: Zero where an item has no text; shape [N, W].

        Returns:
            Zero where they were; float32, shape [N, W].
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
    """The items' frozen vectors with a head to be trained; dropout is applied to the frozen vectors.

    Args:
        frozen_vectors: Zero where an item has no text; shape [S, W].
        dropout: Probability that a component is dropped in training.
        device: Device of the computation.

    Attributes:
        module (nn.Module): What is trained.
    """

    def __init__(self, frozen_vectors: np.ndarray, dropout: float, device: str | torch.device = "cpu") -> None:
        self.module = MatchingHead(frozen_vectors.shape[1]).to(device)
        self._frozen = frozen_vectors
        self._inputs = torch.from_numpy(np.asarray(frozen_vectors, dtype=np.float32)).to(device)
        self._dropout = dropout

    def encode(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the vectors of items, with a new dropout pass; shape [B, W].

        Args:
            rows: Items; repeated ones drop different components; int64, shape [B].
        """
        return self.module(functional.dropout(self._inputs[rows.to(self._inputs.device)], self._dropout))

    def vectors(self) -> np.ndarray:
        """Return the vectors of all items, without dropout; shape [S, W]."""
        return self.module.apply_to(self._frozen)
