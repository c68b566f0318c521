"""Exclude items of the history from the ranking."""

import torch


def without_history(scores: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
    """Set the scores of the items of each history, and of padding, to minus infinity.

    Args:
        scores: Scores of all items; shape [B, N]. They are overwritten.
        items: Histories, padded with 0; int64, shape [B, L]. Ids from N on are no candidates, but history items.

    Returns:
        The same scores.
    """
    # Padding is never recommended, even if no history is short.
    scores[:, 0] = float("-inf")
    return scores.scatter_(1, items.masked_fill(items >= scores.shape[1], 0), float("-inf"))
