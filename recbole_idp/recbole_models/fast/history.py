"""RecBole's models leave items of the history out of what is ranked."""

from recbole_idp.nn.history import without_history


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
