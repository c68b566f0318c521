"""The layers between contents, IDs and item vectors of MoRec (arXiv 2303.13835)."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from recbole_idp.nn.dropout import Dropout


class AddedIDs(nn.Module):
    """ID + content (arXiv 2303.13835, ADD)."""

    def forward(self, ids: torch.Tensor, contents: torch.Tensor) -> torch.Tensor:
        """Join vectors; all of shape [R, D]."""
        return ids + contents


class ConcatenatedIDs(nn.Module):
    """A dense layer with GELU over ID and content side by side (arXiv 2303.13835, CAT).

    Args:
        width: Width D.
        dropout_prob: Dropout before the layer.
    """

    def __init__(self, width: int, dropout_prob: float) -> None:
        super().__init__()
        self.dropout, self.dense = Dropout(dropout_prob), nn.Linear(2 * width, width)
        nn.init.xavier_normal_(self.dense.weight)
        nn.init.zeros_(self.dense.bias)

    def forward(self, ids: torch.Tensor, contents: torch.Tensor) -> torch.Tensor:
        """Join vectors; all of shape [R, D]."""
        return functional.gelu(self.dense(self.dropout(torch.cat([ids, contents], 1))))


def fusion_layer(width: int, kind: str, dropout_prob: float) -> nn.Module:
    """Build what joins IDs and contents.

    Args:
        width: Width D.
        kind: ``none``, ``add`` or ``cat``.
        dropout_prob: Dropout of ``cat``.

    Returns:
        A module of two arguments; nothing to call for ``none``.
    """
    if kind == "cat":
        return ConcatenatedIDs(width, dropout_prob)
    return AddedIDs() if kind == "add" else nn.Identity()


def projection(text_width: int, width: int, n_layers: int, dropout_prob: float) -> nn.Sequential:
    """Build dense layers, each followed by GELU, with dropout before each but the first.

    Args:
        text_width: Width of the first layer's input.
        width: Width of each layer's output.
        n_layers: At least one.
        dropout_prob: Probability that an element becomes zero.

    Returns:
        With Glorot's normal weights and no bias at first, as TCF's code and that of MoRec for images have them; the
        layer of MoRec's code for texts has PyTorch's.
    """
    layers = [nn.Linear(text_width, width), nn.GELU()]
    for _ in range(n_layers - 1):
        layers += [Dropout(dropout_prob), nn.Linear(width, width), nn.GELU()]
    for layer in layers:
        if isinstance(layer, nn.Linear):
            nn.init.xavier_normal_(layer.weight)
            nn.init.zeros_(layer.bias)
    return nn.Sequential(*layers)
