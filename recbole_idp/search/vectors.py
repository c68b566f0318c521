"""Vectors as they are searched."""

import numpy as np


def normalised(vectors):
    """Returns the rows as float32 of length one; rows of zeros stay as they are."""
    vectors = np.asarray(vectors, dtype=np.float32)
    norms = np.sqrt(np.einsum("nw,nw->n", vectors, vectors))[:, None]
    return vectors / np.where(norms > 0, norms, 1)
