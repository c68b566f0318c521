"""LoRA: changes of low rank to dense layers (arXiv 2106.09685)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn


class LowRank(nn.Module):
    """The change B A v / r of a dense layer, zero at first.

    Args:
        width: Width of the input.
        out: Width of the output.
        rank: Rank r.
    """

    def __init__(self, width: int, out: int, rank: int) -> None:
        super().__init__()
        self.down, self.up = nn.Parameter(torch.empty(rank, width)), nn.Parameter(torch.zeros(out, rank))
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))

    def forward(self, vectors: torch.Tensor) -> torch.Tensor:
        """Return what is added to the layer's output; shape [..., out]."""
        return vectors @ self.down.t() @ self.up.t() / len(self.down)


class LoRALinear(nn.Linear):
    """A dense layer whose output, or parts of it, are changed by matrices of low rank.

    Its own weights are those of the given layer, by the same names.

    Args:
        layer: The layer.
        rank: Rank of the changes.
        parts: The output is cut into so many parts of one width.
        changed: Which of these are changed.
    """

    def __init__(self, layer: nn.Linear, rank: int, parts: int = 1, changed: Sequence[int] = (0,)) -> None:
        super().__init__(layer.in_features, layer.out_features, bias=layer.bias is not None)
        self.weight, self.bias = layer.weight, layer.bias
        width = layer.out_features // parts
        self._parts, self._changed = parts, tuple(changed)
        self.adapter = nn.ModuleList(LowRank(layer.in_features, width, rank) for _ in changed)

    def forward(self, vectors: torch.Tensor) -> torch.Tensor:
        """Map vectors; shape [..., out]."""
        found = list(super().forward(vectors).chunk(self._parts, dim=-1))
        for place, adapter in zip(self._changed, self.adapter, strict=True):
            found[place] = found[place] + adapter(vectors)
        return torch.cat(found, -1)

    @torch.no_grad()
    def merged(self) -> nn.Linear:
        """Return a dense layer with the changes in its weights, which gives the same outputs."""
        layer = nn.Linear(self.in_features, self.out_features, bias=self.bias is not None)
        layer.to(self.weight)
        layer.load_state_dict({name: value for name, value in self.state_dict().items() if "adapter" not in name})
        for place, adapter in zip(self._changed, self.adapter, strict=True):
            part = layer.weight.chunk(self._parts)[place]
            part += adapter.up @ adapter.down / len(adapter.down)  # type: ignore[operator,arg-type]  # of LowRank
        return layer


def merge(network: nn.Module) -> None:
    """Put a plain layer in the place of each :class:`LoRALinear` of a network, with the same outputs."""
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, LoRALinear):
                setattr(module, name, child.merged())
