"""Training with products in bfloat16: weights, sums and the optimizer stay in float32."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch

Precision = Literal["float32", "bfloat16"]


@dataclass(frozen=True)
class NarrowLoss:
    """A loss whose products are in bfloat16.

    Attributes:
        loss: Returns the loss of a batch.
        device_type: Type of the device that it is computed on.
    """

    loss: Callable[[Any], torch.Tensor]
    device_type: str

    def __call__(self, batch: Any) -> torch.Tensor:
        """Return the loss of a batch; its gradient is taken outside."""
        with torch.autocast(self.device_type, torch.bfloat16):
            return self.loss(batch)


def in_precision(
    loss: Callable[[Any], torch.Tensor], precision: Precision, device: torch.device
) -> Callable[[Any], torch.Tensor]:
    """Return a loss that is computed in a precision."""
    return loss if precision == "float32" else NarrowLoss(loss, device.type)


class Products:
    """The products of the softmax over many items, and of its gradient, in float32.

    Args:
        items: Vectors of the items; shape [N, D].
    """

    def __init__(self, items: torch.Tensor) -> None:
        self._items, self._transposed = items, items.t()

    def scores(self, states: torch.Tensor, out: torch.Tensor) -> None:
        """Write the score of each item for each state, shape [T, N]."""
        torch.mm(states, self._transposed, out=out)

    def state_gradients(self, pulls: torch.Tensor, out: torch.Tensor) -> None:
        """Write the gradients of states, shape [T, D], whose scores have the gradients ``pulls``, shape [T, N]."""
        torch.mm(pulls, self._items, out=out)

    def add_item_gradients(self, pulls: torch.Tensor, states: torch.Tensor, total: torch.Tensor) -> None:
        """Add the gradients of the items to ``total``, shape [N, D]."""
        total.addmm_(pulls.t(), states)


class NarrowProducts(Products):
    """The same in bfloat16; what is added up stays in float32."""

    def __init__(self, items: torch.Tensor) -> None:
        super().__init__(items.bfloat16())

    def scores(self, states: torch.Tensor, out: torch.Tensor) -> None:
        """See :meth:`Products.scores`."""
        out.copy_(states.bfloat16() @ self._transposed)

    def state_gradients(self, pulls: torch.Tensor, out: torch.Tensor) -> None:
        """See :meth:`Products.state_gradients`."""
        out.copy_(pulls.bfloat16() @ self._items)

    def add_item_gradients(self, pulls: torch.Tensor, states: torch.Tensor, total: torch.Tensor) -> None:
        """See :meth:`Products.add_item_gradients`."""
        total += pulls.bfloat16().t() @ states.bfloat16()


def products_of(items: torch.Tensor) -> Products:
    """Return the products in the precision that this place of the program has."""
    return (NarrowProducts if torch.is_autocast_enabled(items.device.type) else Products)(items)
