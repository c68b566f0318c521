"""Dropout from a few random bits an element."""

import torch
from torch import nn

_BLOCK_ELEMENTS = 1 << 18


def dropout(values, probability, training):
    """Zeroes elements at random and scales the others so that the expected value stays.

    PyTorch draws a full random number for each element, which costs more on a CPU than the layers between. Sixteen bits
    are enough here: the probability is rounded to a multiple of 2^-16, and the scale is that of the rounded value.

    Args:
        values (torch.Tensor): Any shape.
        probability (float): Chance of an element to become zero, in [0, 1).
        training (bool): Returns ``values`` unchanged if False.

    Returns:
        torch.Tensor: The same shape.
    """
    if not training or probability <= 0:
        return values
    if values.device.type != "cpu":
        return nn.functional.dropout(values, probability, True)
    if values.requires_grad or values.numel() <= _BLOCK_ELEMENTS:
        return values * dropout_mask(values.shape, probability, values.dtype)
    # No gradient asks for the mask again, so that none larger than the processor's cache has to be there.
    dropped = torch.empty(values.shape, dtype=values.dtype)
    _fill(dropped, values, probability)
    return dropped


def _fill(dropped, values, probability):
    if values.dim() > 2:
        for own, part in zip(dropped, values, strict=True):
            _fill(own, part, probability)
        return
    # A word has four elements' bits: rows by fours waste none.
    rows = max(1, _BLOCK_ELEMENTS // values.shape[-1] // 4) * 4
    for own, part in zip(dropped.split(rows), values.split(rows), strict=True):
        torch.mul(part, dropout_mask(part.shape, probability, part.dtype), out=own)


def dropout_mask(shape, probability, dtype=torch.float32):
    """Draws the factors of :func:`dropout`: zero, or one over the chance to be kept.

    Args:
        shape (Sequence[int]): Shape of the mask.
        probability (float): Chance of a zero, in [0, 1).
        dtype (torch.dtype): Type of the mask.

    Returns:
        torch.Tensor: Of the given shape, on the CPU.
    """
    size = torch.Size(shape).numel()
    words = torch.empty((size + 3) // 4, dtype=torch.int64).random_(-(2**63), None)
    dropped = round(probability * 65536)
    # Those from dropped - 32768 on are kept. PyTorch subtracts and clamps floats faster than it compares integers.
    kept = words.view(torch.int16)[:size].view(shape).to(torch.float32).sub_(dropped - 32769).clamp_(0, 1)
    return kept.to(dtype).mul_(65536 / (65536 - dropped))


class Dropout(nn.Module):
    """:func:`dropout` as a layer.

    Args:
        probability (float): Chance of an element to become zero, in [0, 1).
    """

    def __init__(self, probability):
        super().__init__()
        self.probability = float(probability)

    def forward(self, values):
        return dropout(values, self.probability, self.training)

    def extra_repr(self):
        return f"probability={self.probability}"
