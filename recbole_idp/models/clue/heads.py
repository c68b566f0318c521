"""The two heads and the loss of CLUE's pre-training, which are those of SimSiam (ICDM 2021, section III)."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

LEAST_ROWS = 2
"""Rows of a batch at least: batch normalisation needs two."""


class Projector(nn.Sequential):
    """user vectors -> three fully connected layers, each with batch normalisation -> projections.

    The paper gives the number of layers. ReLU after the first two, and the width of all, are SimSiam's and ours.

    Args:
        width: Width D of user vectors and projections.
    """

    def __init__(self, width: int) -> None:
        super().__init__(*_layer(width, width), nn.ReLU(), *_layer(width, width), nn.ReLU(), *_layer(width, width))


class Predictor(nn.Sequential):
    """projections of one view -> two fully connected layers with batch normalisation -> projections of the other view.

    Args:
        width: Width D of projections.
        inner_width: Width between the layers; SimSiam's is D / 4.
    """

    def __init__(self, width: int, inner_width: int) -> None:
        super().__init__(*_layer(width, inner_width), nn.ReLU(), *_layer(inner_width, width))


def _layer(inputs: int, outputs: int) -> tuple[nn.Module, nn.Module]:
    """Return a fully connected layer and its batch normalisation, which has the bias of both."""
    return nn.Linear(inputs, outputs, bias=False), nn.BatchNorm1d(outputs)


def similarity_loss(
    first_prediction: torch.Tensor, second_prediction: torch.Tensor, first: torch.Tensor, second: torch.Tensor
) -> torch.Tensor:
    """Compute the mean of 1/2 D(p1, sg(z2)) + 1/2 D(p2, sg(z1)), D being the negative cosine (ICDM 2021).

    Without the stop gradient sg, or without the predictor, all users would get the same vector.

    Args:
        first_prediction: Prediction p1 from the first view; shape [B, D].
        second_prediction: Prediction p2 from the second view; shape [B, D].
        first: Projection z1 of the first view; shape [B, D].
        second: Projection z2 of the second view; shape [B, D].

    Returns:
        Scalar in [-1, 1].
    """
    cosines = functional.cosine_similarity(first_prediction, second.detach()) + functional.cosine_similarity(
        second_prediction, first.detach()
    )
    return -0.5 * cosines.mean()


def spread(projections: torch.Tensor) -> torch.Tensor:
    """Return how far projections of different users differ, from 0, where all are equal, to about 1.

    It is the standard deviation of z / ||z|| over the batch, as the mean over the dimensions, multiplied by sqrt(D): of
    directions that are spread evenly the standard deviation is 1 / sqrt(D).

    Args:
        projections: Shape [B, D], two rows at least.

    Returns:
        Scalar.
    """
    directions = functional.normalize(projections.detach(), dim=1)
    return directions.std(0, correction=0).mean() * projections.shape[1] ** 0.5
