"""Initial weights."""

import torch
from torch import nn


class OwnWeights(nn.Module):
    """A part of a model that draws its first weights itself, after the model has drawn those of the layers inside."""

    def draw_weights(self) -> None:
        """Draw the first weights. Subclasses implement it."""
        raise NotImplementedError


def truncated_normal_(weights: torch.Tensor, std: float) -> torch.Tensor:
    """Draw weights from a normal distribution that is cut at two standard deviations, as TensorFlow's does.

    Args:
        weights: They are overwritten.
        std: Standard deviation before the cut.

    Returns:
        The same weights.
    """
    return nn.init.trunc_normal_(weights, std=std, a=-2 * std, b=2 * std)
