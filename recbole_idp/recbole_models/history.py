"""History items excluded from what RecBole's own models rank."""

import torch
from recbole.data.interaction import Interaction
from recbole.model.abstract_recommender import SequentialRecommender

from recbole_idp.nn.history import without_history


class _HistoryExcluded:
    """Mixin for RecBole's sequential models: items of the history get the lowest score where all are ranked."""

    n_items: int
    ITEM_SEQ: str

    def full_sort_predict(self, interaction: Interaction) -> torch.Tensor:
        """Return the scores of all items after each history; shape [B, N]."""
        scores = super().full_sort_predict(interaction).view(-1, self.n_items)  # type: ignore[misc]  # RecBole's
        return without_history(scores, interaction[self.ITEM_SEQ].to(scores.device))


def excluding_history(model: type[SequentialRecommender]) -> type[SequentialRecommender]:
    """Return a subclass of one of RecBole's sequential models that excludes history items from full ranking."""
    return type(model.__name__, (_HistoryExcluded, model), {"__doc__": model.__doc__})
