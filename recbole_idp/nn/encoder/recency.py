"""An encoder without parameters: a sum over the latest events, the latest weighing most."""

from __future__ import annotations

import torch
from torch import nn

from recbole_idp.nn.encoder.keys import RecencySettings


class RecencyEncoder(nn.Module):
    """Sum the vectors of the latest events of a sequence, each weighing ``decay`` times the one after it.

    s_t = x_t + decay x_{t-1} + decay^2 x_{t-2} + ..., ``events`` terms at most.

    Args:
        settings: Number of events, and decay.
    """

    def __init__(self, settings: RecencySettings) -> None:
        super().__init__()
        self.weights = [settings.recent_decay**age for age in range(settings.recent_events)]

    def forward(self, vectors: torch.Tensor, padding: torch.Tensor) -> torch.Tensor:
        """Encode sequences of item vectors.

        Args:
            vectors: Shape [B, L, D].
            padding: Unused, because padding on the right changes no earlier state; bool, shape [B, L].

        Returns:
            The state at each position, shape [B, L, D]; undefined at padded ones.
        """
        states = vectors.clone()
        for age, weight in enumerate(self.weights[1 : vectors.shape[1]], start=1):
            states[:, age:] += weight * vectors[:, :-age]
        return states
