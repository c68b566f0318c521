"""Model patches of PeterRec (SIGIR 2020, section 3.3)."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from recbole_idp.errors import UserError
from recbole_idp.nn.initial import truncated_normal_


class ModelPatch(nn.Module):
    """A bottleneck of two 1x1 convolutions.

    vectors [..., D] -> C branches: D // 4C wide, GELU, back to D -> their sum [..., D]

    The patch's skip is left to the socket that it is grafted into. C branches that are added up are one branch of their
    joint width, which is what is computed here; their biases add up to one.

    Args:
        width: Width D.
        cardinality: Number of branches C.
        std: Standard deviation of the initial weights; at zero, a patch would change nothing at first.

    Raises:
        UserError: A branch would have no width.
    """

    def __init__(self, width: int, cardinality: int = 1, std: float = 0.02) -> None:
        super().__init__()
        inner = width // (4 * cardinality)
        if not inner:
            raise UserError(
                f"a patch of cardinality {cardinality} in an encoder of hidden_size {width} has branches of no width: "
                f"give a cardinality of at most {width // 4}" + (", or a larger hidden_size" if width < 4 else "")
            )
        self.down = nn.Linear(width, cardinality * inner)
        self.up = nn.Linear(cardinality * inner, width)
        for layer in (self.down, self.up):
            truncated_normal_(layer.weight, std)
            nn.init.zeros_(layer.bias)

    def forward(self, vectors: torch.Tensor) -> torch.Tensor:
        """Return what is added to the vectors; shape [..., D]."""
        return self.up(functional.gelu(self.down(vectors), approximate="tanh"))
