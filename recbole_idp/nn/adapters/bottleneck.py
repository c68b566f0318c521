"""Bottlenecks of two dense layers, as adapters have them."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

_STD = 0.01


class Bottleneck(nn.Module):
    """A bottleneck with ReLU and no skip: U relu(D v + b) + c.

    Its first weights are those of Houlsby's adapter (arXiv 1902.00751): close to zero, so that a socket with a skip
    starts near what it was without.

    Args:
        width: Width D of the vectors.
        inner: Width inside.
    """

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.down, self.up = nn.Linear(width, inner), nn.Linear(inner, width)
        for layer in (self.down, self.up):
            nn.init.normal_(layer.weight, std=_STD)
            nn.init.zeros_(layer.bias)

    def forward(self, vectors: torch.Tensor) -> torch.Tensor:
        """Return what is added to the vectors; shape [..., D]."""
        return self.up(functional.relu(self.down(vectors)))


class PfeifferNorm(nn.LayerNorm):
    """The last norm of a block, with Pfeiffer's adapter behind it (arXiv 2005.00247).

    s = what the block would normalise -> LN_new(U relu(D LN(s) + b) + c + s)

    The norm's own weights have the names that they have without the adapter.

    Args:
        norm: The norm, whose weights are taken over.
        inner: Width inside the adapter.
    """

    def __init__(self, norm: nn.LayerNorm, inner: int) -> None:
        super().__init__(norm.normalized_shape, eps=norm.eps)
        self.weight, self.bias = norm.weight, norm.bias
        width = norm.normalized_shape[0]
        down, up = nn.Linear(width, inner), nn.Linear(inner, width)
        self.adapter = nn.ModuleDict({"down": down, "up": up, "norm": nn.LayerNorm(width, eps=norm.eps)})

    def forward(self, total: torch.Tensor) -> torch.Tensor:
        """Return the block's new states; shape [..., D]."""
        states = self.adapter["up"](functional.relu(self.adapter["down"](super().forward(total))))
        return self.adapter["norm"](states + total)
