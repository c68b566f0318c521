"""Where embeddings lie and how far apart: centring, and scaling to a spread."""

from __future__ import annotations

import numpy as np
import torch


def centred(vectors: np.ndarray, settled: int | None = None) -> np.ndarray:
    """Subtract the mean of the items, or of the first ``settled``, that have a text; others stay zero."""
    present = np.linalg.norm(vectors, axis=1, keepdims=True) > 0
    # NumPy 1 makes float64 of float32 over a whole number that needs more than 16 bits.
    return (vectors - vectors[:settled].sum(0) / np.float32(max(1, present[:settled].sum()))) * present


def centred_by_domain(vectors: np.ndarray, domains: np.ndarray) -> np.ndarray:
    """Subtract from each text vector the mean of its domain; zero vectors stay zero.

    Args:
        vectors: Shape [S, W].
        domains: What tells the domains apart; shape [S].

    Returns:
        Float32, shape [S, W].
    """
    found = np.zeros(vectors.shape, dtype=np.float32)
    for one in np.unique(domains):
        own = domains == one
        found[own] = centred(vectors[own])
    return found


def keep_scale(
    generated: torch.Tensor, spread: float | torch.Tensor, centre: torch.Tensor, settled: int | None = None
) -> torch.Tensor:
    """Return the embeddings as the generator made them; arguments as in :func:`to_spread`."""
    return generated


def to_spread(
    generated: torch.Tensor, spread: float | torch.Tensor, centre: torch.Tensor, settled: int | None = None
) -> torch.Tensor:
    """Centre the embeddings and scale them to a given spread.

    Averaging m vectors shrinks the differences between items and keeps what they have in common. The generated
    embeddings then lie closer to one point than any that the encoder saw in pre-training.

    Args:
        generated: Shape [T, D].
        spread: Root of the mean squared distance from the centre.
        centre: Mean of the result; shape [D].
        settled: Number of the first rows over which mean and spread are taken. None: all.

    Returns:
        Shape [T, D].
    """
    offset = generated - generated[:settled].mean(0)
    return centre + offset * (spread / root_mean_square(offset[:settled]).clamp_min(1e-12))


def root_mean_square(vectors: torch.Tensor) -> torch.Tensor:
    """Return the root of the rows' mean squared length, a scalar."""
    return vectors.pow(2).sum(1).mean().sqrt()


def to_norm(generated: torch.Tensor, spread: float, centre: torch.Tensor, settled: int | None = None) -> torch.Tensor:
    """Scale each embedding to the same length: that of a vector at the given distance from the centre.

    Args:
        generated: Shape [T, D].
        spread: The spread of the embeddings that the result should resemble.
        centre: Their mean; shape [D].
        settled: Not used.

    Returns:
        Shape [T, D].
    """
    length = (centre.pow(2).sum() + spread**2).sqrt()
    return torch.nn.functional.normalize(generated, dim=1) * length


RESCALINGS = {"none": keep_scale, "spread": to_spread, "norm": to_norm}
