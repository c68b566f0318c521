"""Recommend from the folder of a trained model, without data and RecBole."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from recbole_idp.serving.answering import ItemRecommender
from recbole_idp.serving.encoder_sizes import history_length
from recbole_idp.serving.trained_model import TrainedModel

if TYPE_CHECKING:
    from recbole_idp.serving.generated_from import GeneratedFrom

# 8 MiB of scores, and 2 MiB of states at width 64: both are read again while in the cache.
_SCORES, _POSITIONS = 1 << 21, 1 << 13
# Users that are scored together at least, where items are many: each time the vectors of all items are read.
_LEAST_USERS = 16


class Recommender(ItemRecommender):
    """Recommends items by a trained model, scoring all of them.

    ids -> numbers -> user encoder, rows of like length together -> scores of a chunk -> the k best, the chunk dropped

    Args:
        trained: The model.

    Attributes:
        trained (TrainedModel): The model.
    """

    trained: TrainedModel

    def __init__(self, trained: TrainedModel) -> None:
        super().__init__(trained)
        self._encoder = trained.user_encoder()
        self.history_length = history_length(trained.description)
        self._only_unseen = trained.description["only_unseen"]

    @classmethod
    def open(cls, folder: str | Path) -> Recommender:
        """Open a folder that the task run made.

        Raises:
            UserError: See :meth:`TrainedModel.open`.
        """
        return cls(TrainedModel.open(folder))

    @property
    def explains(self) -> bool:
        """Whether :meth:`origins` tells what items were generated from."""
        return self.trained.transfer is not None and self.trained.source_items is not None

    def origins(self) -> GeneratedFrom | None:
        """Return what tells what items were generated from; None where the folder does not say it."""
        if not self.explains:
            return None
        from recbole_idp.serving.generated_from import GeneratedFrom

        return GeneratedFrom(self.trained)

    def candidate_vectors(self) -> torch.Tensor:
        """Return the candidate vector of each item, shape [N, D]."""
        return self.trained.candidate_vectors

    @torch.inference_mode()
    def rank(self, histories: Sequence[list[int]], k: int, exclude_seen: bool = True) -> tuple[np.ndarray, np.ndarray]:
        """Rank all items by their scores; see :class:`ItemRecommender`."""
        k = self._checked(k)
        best = np.zeros((len(histories), k), dtype=np.int64)
        values = np.full((len(histories), k), -np.inf, dtype=np.float32)
        rows = [row for row, history in enumerate(histories) if self.read(history)]
        states = self.states([histories[row] for row in rows])
        size = max(_LEAST_USERS, _SCORES // self.trained.n_items)
        for start in range(0, len(rows), size):
            part = rows[start : start + size]
            scores = self._scores(states[start : start + size])
            if exclude_seen or self._only_unseen:
                own = [self.own(histories[row]) for row in part]
                lengths = torch.tensor([len(items) for items in own])
                seen = torch.tensor([item for items in own for item in items], dtype=torch.long)
                scores[torch.repeat_interleave(torch.arange(len(part)), lengths), seen] = -torch.inf
            found, items = scores.topk(k, dim=1)
            best[part] = items.masked_fill_(found == -torch.inf, 0).numpy()
            values[part] = found.numpy()
        return best, values

    @torch.inference_mode()
    def scores(self, histories: Sequence[list[int]]) -> torch.Tensor:
        """Return the scores of all items after histories of item numbers, some of which are read; shape [B, N]."""
        return self._scores(self.states(histories))

    @torch.inference_mode()
    def states(self, histories: Sequence[list[int]]) -> torch.Tensor:
        """Encode histories of item numbers, rows of like length together; shape [B, D]."""
        recent = [list(self.read(history)[-self.history_length :]) for history in histories]
        lengths = torch.tensor([len(history) for history in recent], dtype=torch.long)
        states = torch.empty(len(recent), self.trained.item_vectors.shape[1])
        order, start = torch.argsort(lengths, stable=True), 0
        while start < len(order):
            # As many rows as would fit if all were as short as the first: the longest of them is long enough for all.
            likely = min(start + max(1, _POSITIONS // int(lengths[order[start]])), len(order))
            rows = order[start : start + max(1, _POSITIONS // int(lengths[order[likely - 1]]))]
            width = int(lengths[rows[-1]])
            items = torch.tensor([recent[row] + [0] * (width - len(recent[row])) for row in rows.tolist()])
            states[rows] = self._encoder(items, lengths[rows])
            start += len(rows)
        return states

    def _scores(self, states: torch.Tensor) -> torch.Tensor:
        """Return the scores of all items, -inf for padding; shape [B, N]."""
        scores = states @ self.trained.candidate_vectors.t()
        if self.trained.item_bias is not None:
            scores += self.trained.item_bias
        scores[:, 0] = -torch.inf
        return scores
