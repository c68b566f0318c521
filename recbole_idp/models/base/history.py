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


def exclude_history(model):
    """Lets one of RecBole's models, whose class stays as it is, leave items of the history out where all are ranked.

    Args:
        model (SequentialRecommender): The model, changed in place.
    """
    score_all = model.full_sort_predict

    def full_sort_predict(interaction):
        scores = score_all(interaction).view(-1, model.n_items)
        return without_history(scores, interaction[model.ITEM_SEQ].to(scores.device))

    model.full_sort_predict = full_sort_predict
