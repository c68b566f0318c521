"""Leaving items of the history out of what is ranked."""


def without_history(scores, items):
    """Gives items of the histories, and padding, the lowest score.

    Args:
        scores (torch.Tensor): Scores of all items; shape [B, N]. Overwritten.
        items (torch.LongTensor): Histories, padded with 0; shape [B, L].

    Returns:
        torch.Tensor: The same scores.
    """
    # Padding stands among the items of short histories, and is nobody's wish.
    scores[:, 0] = float("-inf")
    return scores.scatter_(1, items, float("-inf"))
