"""The losses of TransRec: the next items of a user against items that the user has not seen (arXiv 2206.06190)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn import functional


def predictive_coding(positive: torch.Tensor, negative: torch.Tensor) -> torch.Tensor:
    """Contrastive predictive coding as the paper has it: binary cross-entropy of the next K items and of K others.

    Args:
        positive: Scores of the next items; NaN where a row has fewer of them; shape [B, K].
        negative: Scores of the others, likewise; shape [B, K'].

    Returns:
        The mean over the next items plus the mean over the others; a scalar.
    """
    return functional.softplus(-positive).nanmean() + functional.softplus(negative).nanmean()


def pairwise(positive: torch.Tensor, negative: torch.Tensor) -> torch.Tensor:
    """Compare the first next item with the first other item: BPR, the paper's option; arguments as above."""
    return functional.softplus(negative[:, 0] - positive[:, 0]).nanmean()


LOSSES: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {"BCE": predictive_coding, "BPR": pairwise}
"""By RecBole's key ``loss_type``."""
