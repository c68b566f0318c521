"""Dropout from a few random bits for each element."""

from collections.abc import Sequence

import torch
from torch import nn

_BLOCK_ELEMENTS = 1 << 18


def dropout(values: torch.Tensor, probability: float, training: bool) -> torch.Tensor:
    """Set elements to zero at random, and scale the others so that the expected value stays.

    PyTorch draws a full random number for each element, which costs more on a CPU than the layers between. Sixteen bits
    are enough here: the probability is rounded to a multiple of 2^-16, and the scale is that of the rounded value.

    Args:
        values: Input of any shape.
        probability: Probability that an element becomes zero, in [0, 1).
        training: If False, ``values`` are returned unchanged.

    Returns:
        The values after dropout, of the same shape.
    """
    if not training or probability <= 0:
        return values
    if values.device.type != "cpu":
        return nn.functional.dropout(values, probability, True)
    if values.requires_grad or values.numel() <= _BLOCK_ELEMENTS:
        return values * dropout_mask(values.shape, probability, values.dtype)
    # No gradient needs the mask again, so that it can be made in blocks that fit into the processor's cache.
    dropped = torch.empty(values.shape, dtype=values.dtype)
    _fill(dropped, values, probability)
    return dropped


def _fill(dropped: torch.Tensor, values: torch.Tensor, probability: float) -> None:
    """Write the values after dropout to ``dropped``, block by block."""
    if values.dim() > 2:
        for own, part in zip(dropped, values, strict=True):
            _fill(own, part, probability)
        return
    # A word holds the bits of four elements: blocks of four rows waste none.
    rows = max(1, _BLOCK_ELEMENTS // values.shape[-1] // 4) * 4
    for own, part in zip(dropped.split(rows), values.split(rows), strict=True):
        torch.mul(part, dropout_mask(part.shape, probability, part.dtype), out=own)


def dropout_mask(shape: Sequence[int], probability: float, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Draw the factors of :func:`dropout`: zero, or one divided by the probability of being kept.

    Args:
        shape: Shape of the mask.
        probability: Probability of a zero, in [0, 1).
        dtype: Type of the mask.

    Returns:
        The mask, on the CPU.
    """
    size = torch.Size(shape).numel()
    words = torch.empty((size + 3) // 4, dtype=torch.int64).random_(-(2**63), None)
    dropped = round(probability * 65536)
    # Values from dropped - 32768 on are kept. PyTorch subtracts and clamps floats faster than it compares integers.
    kept = words.view(torch.int16)[:size].view(shape).to(torch.float32).sub_(dropped - 32769).clamp_(0, 1)
    return kept.to(dtype).mul_(65536 / (65536 - dropped))


class Dropout(nn.Module):
    """:func:`dropout` as a layer.

    Args:
        probability: Probability that an element becomes zero, in [0, 1).
    """

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = float(probability)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Return the values after dropout; unchanged in evaluation."""
        return dropout(values, self.probability, self.training)

    def extra_repr(self) -> str:
        """Return the probability, for the text of the layer."""
        return f"probability={self.probability}"
