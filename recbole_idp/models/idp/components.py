"""Principal components of text vectors, as they vary or whitened."""

from __future__ import annotations

import torch

_LEAST_VARIANCE = 1e-6
"""Directions with less than this share of the largest variance are noise, and are not scaled up further."""


def component_directions(texts: torch.Tensor, width: int, whitening: float = 0.0) -> torch.Tensor:
    """Return the directions in which texts vary most.

    Args:
        texts: Centred text vectors, float64; shape [T, W].
        width: How many directions, W at most.
        whitening: w: a component of variance v is divided by v^(w / 2), so that with 1 all vary alike; 0: none is.

    Returns:
        A column for each component, the largest first; shape [W, C], C being at most ``width``.
    """
    variances, directions = torch.linalg.eigh(texts.t() @ texts)
    directions = directions.flip(1)[:, :width]
    if not whitening:
        return directions
    variances = variances.flip(0)[:width]
    return directions / (variances / variances[0]).clamp_min(_LEAST_VARIANCE).pow(whitening / 2)
