"""Shared and private encoders of two domains, and the discriminators of their shared part."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from recbole_idp.models.dacdr.reversal import reverse_gradient
from recbole_idp.nn.dropout import Dropout

SOURCE, TARGET = 0, 1
"""The two domains; several source domains count as one."""


@dataclass(frozen=True)
class Parts:
    """What is encoded of users or items of one domain. K rows, D width.

    Attributes:
        shared: By the encoder of both domains; shape [K, D].
        private: By the encoder of the own domain; shape [K, D].
    """

    shared: torch.Tensor
    private: torch.Tensor

    def rows(self, chosen: torch.Tensor) -> Parts:
        """Return some rows; int64, shape [R]."""
        return Parts(self.shared[chosen], self.private[chosen])

    def joined_with(self, other: Parts) -> Parts:
        """Return these rows and the rows of others."""
        return Parts(torch.cat([self.shared, other.shared]), torch.cat([self.private, other.private]))


class SharedPrivateEncoder(nn.Module):
    """x -> shared encoder E(x), private encoder E^D(x) of the domain D -> W [E(x); E^D(x)].

    Args:
        width: Width D of inputs and results.
        dropout_prob: Dropout inside each encoder.
    """

    def __init__(self, width: int, dropout_prob: float) -> None:
        super().__init__()
        self.shared = _perceptron(width, dropout_prob)
        self.private = nn.ModuleList(_perceptron(width, dropout_prob) for _ in (SOURCE, TARGET))
        self.mix = nn.Linear(2 * width, width)

    def parts(self, vectors: torch.Tensor, domain: int) -> Parts:
        """Encode vectors of a domain.

        Args:
            vectors: Shape [K, D].
            domain: :data:`SOURCE` or :data:`TARGET`.

        Returns:
            The shared and the private part.
        """
        return Parts(self.shared(vectors), self.private[domain](vectors))

    def joined(self, parts: Parts) -> torch.Tensor:
        """Return the representation that scores are computed of; shape [K, D]."""
        return self.mix(torch.cat([parts.shared, parts.private], -1))

    def forward(self, vectors: torch.Tensor, domain: int) -> torch.Tensor:
        """Return the representation of vectors of a domain; shape [K, D]."""
        return self.joined(self.parts(vectors, domain))


class Discriminator(nn.Module):
    """shared part -> reversed gradient -> D -> D / 2 -> 1: the domain that it is from.

    Args:
        width: Width D of the shared part.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        inner = max(1, width // 2)
        self.layers = nn.Sequential(nn.Linear(width, inner), nn.ReLU(), nn.Linear(inner, 1))

    def forward(self, shared: torch.Tensor, strength: float) -> torch.Tensor:
        """Return the logit that a row is from the target.

        Args:
            shared: Shape [K, D].
            strength: Strength of the gradient reversal.

        Returns:
            Shape [K].
        """
        return self.layers(reverse_gradient(shared, strength)).squeeze(-1)


def domain_loss(source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Return the binary cross-entropy of a discriminator, in which both domains have the same weight.

    Args:
        source: Logits of rows of the source; shape [K].
        target: Logits of rows of the target; shape [K'].

    Returns:
        Scalar.
    """
    return (functional.softplus(source).mean() + functional.softplus(-target).mean()) / 2


def domain_accuracy(source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Return the accuracy of a discriminator of domains; both domains have the same weight; scalar."""
    return ((source < 0).float().mean() + (target > 0).float().mean()) / 2


def overlap(parts: Parts) -> torch.Tensor:
    """Return ||A^T B||_F^2 / K^2 of shared parts A and private parts B: 0 where they are orthogonal.

    Args:
        parts: K rows; their vectors are divided by their lengths.

    Returns:
        Scalar.
    """
    shared, private = (functional.normalize(part, dim=-1) for part in (parts.shared, parts.private))
    return (shared.t() @ private).pow(2).sum() / len(shared) ** 2


def _perceptron(width: int, dropout_prob: float) -> nn.Sequential:
    """Return a perceptron D -> D -> D."""
    return nn.Sequential(nn.Linear(width, width), nn.ReLU(), Dropout(dropout_prob), nn.Linear(width, width))
