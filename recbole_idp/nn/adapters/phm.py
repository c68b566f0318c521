"""Compacter: bottlenecks of parameterised hypercomplex multiplication (arXiv 2106.04647)."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional

from recbole_idp.errors import UserError

_RULE_STD = 0.01


class Rule(nn.Module):
    """The small matrices that all layers of an encoder share.

    Args:
        count: Their number n, which is also their size.

    Attributes:
        rule: Shape [n, n, n].
    """

    def __init__(self, count: int) -> None:
        super().__init__()
        self.rule = nn.Parameter(torch.randn(count, count, count) * _RULE_STD)


class PHMLinear(nn.Module):
    """A dense layer whose matrix is a sum of Kronecker products: W = sum_i R_i (x) s_i t_i^T, y = v W + b.

    Args:
        width: Width of the input.
        out: Width of the output.
        rule: The R_i; their number n divides both widths.
    """

    def __init__(self, width: int, out: int, rule: Rule) -> None:
        super().__init__()
        # In a tuple: it is shared, and belongs to the encoder.
        self._rule = (rule,)
        count = len(rule.rule)
        if width % count or out % count:
            raise UserError(
                f"Compacter's layer from {width} to {out} is made of {count} parts, which divide no such width: give "
                f"multiples of {count} as hidden_size and adapter sizes"
            )
        self.left = nn.Parameter(torch.empty(count, width // count, 1))
        self.right = nn.Parameter(torch.empty(count, 1, out // count))
        self.bias = nn.Parameter(torch.zeros(out))
        for factors in (self.left, self.right):
            for factor in factors.data:
                nn.init.xavier_uniform_(factor, gain=math.sqrt(2))

    def forward(self, vectors: torch.Tensor) -> torch.Tensor:
        """Map vectors; shape [..., out]."""
        rule = self._rule[0].rule
        weight = torch.stack(
            [torch.kron(small, left @ right) for small, left, right in zip(rule, self.left, self.right, strict=True)]
        ).sum(0)
        return vectors @ weight + self.bias


class Compacter(nn.Module):
    """A bottleneck of two such layers with GELU between them, and no skip.

    Args:
        width: Width D of the vectors.
        inner: Width inside.
        rule: What all of them share.
    """

    def __init__(self, width: int, inner: int, rule: Rule) -> None:
        super().__init__()
        self.down, self.up = PHMLinear(width, inner, rule), PHMLinear(inner, width, rule)

    def forward(self, vectors: torch.Tensor) -> torch.Tensor:
        """Return what is added to the vectors; shape [..., D]."""
        return self.up(functional.gelu(self.down(vectors), approximate="tanh"))
