"""Centre and normalise vectors."""

from __future__ import annotations

import numpy as np
import torch


def normalised(vectors: torch.Tensor | np.ndarray) -> np.ndarray:
    """Return the rows as float32, scaled to length one; rows of zeros stay zero."""
    vectors = np.asarray(vectors, dtype=np.float32)
    norms = np.sqrt(np.einsum("nw,nw->n", vectors, vectors))[:, None]
    return vectors / np.where(norms > 0, norms, 1)


def centred(vectors: np.ndarray, mean: np.ndarray | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    """Centre text vectors, and scale them to length one.

    Args:
        vectors: Vectors of inputs 1 to I - 1, zero for items without text; shape [I - 1, W].
        mean: What is taken off each; shape [W]. None: the mean of those with a text.

    Returns:
        The vectors, zero for the padding item and for items without text, of shape [I, W]; and the mean.
    """
    present = np.any(vectors, axis=1)
    if mean is None:
        mean = vectors[present].mean(0)
    vectors[present] = normalised(vectors[present] - mean)
    padded = np.concatenate([np.zeros((1, vectors.shape[1]), dtype=np.float32), vectors])
    return torch.from_numpy(padded), torch.from_numpy(mean)
