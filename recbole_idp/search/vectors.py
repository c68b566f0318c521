"""Normalise vectors for the search."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def normalised(vectors: torch.Tensor | np.ndarray) -> np.ndarray:
    """Return the rows as float32, scaled to length one; rows of zeros stay zero."""
    vectors = np.asarray(vectors, dtype=np.float32)
    norms = np.sqrt(np.einsum("nw,nw->n", vectors, vectors))[:, None]
    return vectors / np.where(norms > 0, norms, 1)
