"""Whiten text vectors, so that all directions in which texts differ count alike."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

_LEAST_VARIANCE = 1e-6
"""Directions with less than this share of the largest variance are noise, and are omitted."""


def whitened(vectors: np.ndarray, components: int, settled: int) -> torch.Tensor:
    """Rotate vectors to their principal components, scale each to variance one, and each vector to length one.

    The cosine of sentence vectors is ruled by a few directions that all texts share. After whitening it is not.

    Args:
        vectors: Text vectors, zero where an item has no text; shape [I, W].
        components: How many of the first components are kept, W at most.
        settled: Number of the first vectors over which mean and directions are taken.

    Returns:
        Float32, zero where an item has no text; shape [I, C], C being at most ``components``.
    """
    texts = torch.from_numpy(vectors).double()
    present = texts.abs().amax(1) > 0
    known = texts[:settled][present[:settled]]
    texts = texts - known.mean(0)
    known = known - known.mean(0)
    variances, directions = torch.linalg.eigh(known.t() @ known / len(known))
    variances, directions = variances.flip(0)[:components], directions.flip(1)[:, :components]
    kept = variances > _LEAST_VARIANCE * variances[0].clamp_min(1e-30)
    scaled = texts @ (directions[:, kept] / variances[kept].sqrt())
    return (functional.normalize(scaled, dim=1) * present.unsqueeze(1)).float()
