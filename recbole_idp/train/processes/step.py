"""One training step of several processes: each takes a batch, gradients are averaged, all make the same update.

Every process has the same weights before and after. The loss is the mean over the targets of all batches, as if one
process had accumulated the gradients.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.utils import clip_grad_norm_

# Elements of a gradient that is sent together with others, 4 MB.
_SMALL = 2**20


class TargetBatch(Protocol):
    """What is asked of a batch: its number of targets."""

    n_targets: int


@dataclass
class Training:
    """What each process needs for the steps of an epoch.

    Attributes:
        model: The model.
        optimizer: The optimizer of its parameters.
        loss: Returns the mean loss over the targets of a batch.
        clip: Arguments of the clipping of gradients; None: they are not clipped.
        seed: Decides, with the number of the process, what dropout draws.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    loss: Callable[[Any], torch.Tensor]
    clip: Mapping[str, Any] | None
    seed: int

    def step(self, batch: TargetBatch | None) -> tuple[float, int]:
        """Take one step, at the same time as all other processes.

        Args:
            batch: The batch of this process; None: it has none, as at the end of an epoch.

        Returns:
            The sum of the loss over the targets of all batches, and their number.
        """
        self.optimizer.zero_grad()
        total, count = torch.zeros(1), 0
        if batch is not None:
            count = batch.n_targets
            loss = self.loss(batch) * count
            loss.backward()
            total = loss.detach().reshape(1)
        total, count = self._average(total, count)
        if self.clip:
            clip_grad_norm_(self.model.parameters(), **self.clip)
        self.optimizer.step()
        return float(total), count

    def _average(self, total: torch.Tensor, count: int) -> tuple[torch.Tensor, int]:
        """Replace the gradients by those of the mean over all targets; return their loss and their number."""
        parameters = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        # Small gradients travel together, as each message takes a fraction of a millisecond; large ones are not copied.
        small = [parameter for parameter in parameters if parameter.numel() <= _SMALL]
        large = [parameter for parameter in parameters if parameter.numel() > _SMALL]
        # A parameter that no process has used keeps no gradient: an optimizer would move it by its earlier ones.
        used = [float(parameter.grad is not None) for parameter in parameters]
        head = torch.cat([total, torch.tensor([float(count), *used])])
        parts = [torch.zeros(one.numel()) if one.grad is None else one.grad.flatten() for one in small]
        summed = torch.cat([head, *parts])
        dist.all_reduce(summed)
        count = int(summed[1])
        is_used = dict(zip(parameters, (summed[2 : len(head)] > 0).tolist(), strict=True))
        gradients = summed[len(head) :].div_(max(count, 1)).split([parameter.numel() for parameter in small])
        for parameter, gradient in zip(small, gradients, strict=True):
            if is_used[parameter]:
                parameter.grad = gradient.view_as(parameter)
        for parameter in filter(is_used.__getitem__, large):
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            dist.all_reduce(parameter.grad)
            parameter.grad /= max(count, 1)
        return summed[0], count
