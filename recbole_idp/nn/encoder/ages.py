"""Matrices of position pairs whose entries depend on how many events lie between the two."""

import torch


def by_age(values: torch.Tensor, length: int) -> torch.Tensor:
    """Give each pair of positions the value of how many events ago the second was, seen from the first.

    Args:
        values: By the number of events, 0 being the same position; shape [N], N at least L.
        length: L.

    Returns:
        Shape [L, L]; where the second position is later, the value of 0.
    """
    places = torch.arange(length, device=values.device)
    return values[(places.unsqueeze(1) - places).clamp_min(0)]
