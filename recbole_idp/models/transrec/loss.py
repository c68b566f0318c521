"""The losses of TransRec: the next items of a user against items that the user has not seen (arXiv 2206.06190)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn import functional


def predictive_coding(
    following: torch.Tensor, is_following: torch.Tensor, others: torch.Tensor, is_other: torch.Tensor
) -> torch.Tensor:
    """Contrastive predictive coding as the paper has it: binary cross-entropy of the next K items and of M others.

    Args:
        following: Scores of the next items; shape [B, K].
        is_following: Where there is a next item; bool, shape [B, K].
        others: Scores of the other items; shape [B, M].
        is_other: Where there is one; bool, shape [B, M].

    Returns:
        The mean over the next items plus the mean over the others; a scalar.
    """
    found = functional.softplus(-following[is_following]).sum() / is_following.sum().clamp_min(1)
    return found + functional.softplus(others[is_other]).sum() / is_other.sum().clamp_min(1)


def pairwise(
    following: torch.Tensor, is_following: torch.Tensor, others: torch.Tensor, is_other: torch.Tensor
) -> torch.Tensor:
    """Compare the first next item with the first other item: BPR, the paper's option; arguments as above."""
    pairs = is_following[:, 0] & is_other[:, 0]
    return functional.softplus(others[pairs, 0] - following[pairs, 0]).sum() / pairs.sum().clamp_min(1)


LOSSES: dict[str, Callable[..., torch.Tensor]] = {"BCE": predictive_coding, "BPR": pairwise}
"""By RecBole's key ``loss_type``."""
