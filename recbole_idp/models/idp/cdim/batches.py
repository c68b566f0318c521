"""Batches of the matcher's training: the items of a batch are each other's negatives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    import numpy as np


def mixed_batches(
    rows: torch.Tensor, domains: np.ndarray, size: int, generator: torch.Generator
) -> tuple[torch.Tensor, ...]:
    """Shuffle items into batches of all domains: most negatives are of another domain, and easy.

    Args:
        rows: Items; int64, shape [R].
        domains: Not used.
        size: Items a batch.
        generator: Source of the order.

    Returns:
        Each item once; the last batch may be smaller.
    """
    return rows[torch.randperm(len(rows), generator=generator)].split(size)


def domain_batches(
    rows: torch.Tensor, domains: np.ndarray, size: int, generator: torch.Generator
) -> tuple[torch.Tensor, ...]:
    """Shuffle items into batches of one domain each: all negatives are of the item's own domain.

    Args:
        rows: Items; int64, shape [R].
        domains: Number of the domain of each item; shape [S].
        size: Items a batch.
        generator: Source of the order.

    Returns:
        Each item once, the batches of the domains in a random order; the last batch of a domain may be smaller.
    """
    shuffled = rows[torch.randperm(len(rows), generator=generator)]
    domain = torch.from_numpy(domains)[shuffled]
    batches = [batch for one in domain.unique() for batch in shuffled[domain == one].split(size)]
    return tuple(batches[number] for number in torch.randperm(len(batches), generator=generator).tolist())


BATCHES = {"mixed": mixed_batches, "same_domain": domain_batches}
"""What draws the batches of an epoch, by the key ``cdim_negatives``."""
