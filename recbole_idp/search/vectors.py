"""Normalise vectors for the search."""

import numpy as np


def normalised(vectors: np.ndarray) -> np.ndarray:
    """Return the rows as float32, scaled to length one; rows of zeros stay zero."""
    vectors = np.asarray(vectors, dtype=np.float32)
    norms = np.sqrt(np.einsum("nw,nw->n", vectors, vectors))[:, None]
    return vectors / np.where(norms > 0, norms, 1)
