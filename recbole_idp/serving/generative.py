"""Recommend by a trained model that writes items as answers, without data and RecBole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from recbole_idp.serving.answering import ItemRecommender

if TYPE_CHECKING:
    from recbole_idp.serving.generative_model import GenerativeModel

_TOGETHER = 256


class GenerativeRecommender(ItemRecommender):
    """Recommends items by a model that writes them.

    ids -> numbers -> question in words -> network -> beams among the items, or all items -> the k best

    Args:
        trained: The model.
    """

    trained: GenerativeModel

    def __init__(self, trained: GenerativeModel) -> None:
        super().__init__(trained)
        self._network, self._ranking = trained.network(), trained.ranking()
        self._wording = trained.description["wording"]
        self.history_length = self._wording["longest_history"]

    @torch.inference_mode()
    def rank(self, histories: Sequence[list[int]], k: int, exclude_seen: bool = True) -> tuple[np.ndarray, np.ndarray]:
        """Rank items by their numbers; see :class:`ItemRecommender`. Beams find as many as there are beams at least."""
        k = self._checked(k)
        best = np.zeros((len(histories), k), dtype=np.int64)
        values = np.full((len(histories), k), -np.inf, dtype=np.float32)
        # Prompts of like length together, so that little padding is computed.
        rows = sorted((row for row, history in enumerate(histories) if history), key=lambda row: len(histories[row]))
        for start in range(0, len(rows), _TOGETHER):
            part = rows[start : start + _TOGETHER]
            read = [histories[row][-self.history_length :] for row in part]
            left_out = exclude_seen or self._wording["only_unseen"]
            excluded = [sorted(set(histories[row])) for row in part] if left_out else ()
            items, scores = self._ranking.best(self._network, read, k, excluded)
            best[part], values[part] = items.numpy(), scores.numpy()
        return best, values
