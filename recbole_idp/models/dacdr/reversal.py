"""Gradient reversal, and how its strength grows (domain-adversarial training, arXiv 1505.07818)."""

from __future__ import annotations

import math
from typing import Any

import torch

_STEEPNESS = 10.0


class _Reversal(torch.autograd.Function):
    """The identity, whose gradient is multiplied by minus a strength."""

    @staticmethod
    def forward(ctx: Any, values: torch.Tensor, strength: float) -> torch.Tensor:
        ctx.strength = strength
        return values.view_as(values)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        return -ctx.strength * gradient, None


def reverse_gradient(values: torch.Tensor, strength: float) -> torch.Tensor:
    """Return the values as they are; what comes back in the backward pass is multiplied by ``-strength``.

    So a discriminator behind it learns to tell domains apart, and what lies before it learns that it cannot.

    Args:
        values: Any shape.
        strength: The factor lambda; 0 hides the discriminator from what lies before it.

    Returns:
        The values.
    """
    return _Reversal.apply(values, strength)


def reversal_strength(progress: float) -> float:
    """Return lambda = 2 / (1 + exp(-10 p)) - 1, which grows from 0 to 1 (arXiv 1505.07818).

    Args:
        progress: Share p of the training that is done, from 0 to 1.
    """
    return 2 / (1 + math.exp(-_STEEPNESS * progress)) - 1
