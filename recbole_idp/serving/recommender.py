"""Recommend from the folder of a trained model, without data and RecBole."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from recbole_idp.data.item_names import numbers_of_names
from recbole_idp.errors import UserError
from recbole_idp.serving.trained_model import TrainedModel
from recbole_idp.serving.user_encoder import history_length

# 8 MiB of scores, and 2 MiB of states at width 64: both are read again while in the cache.
_SCORES, _POSITIONS = 1 << 21, 1 << 13


class Recommendation(NamedTuple):
    """An item recommended to a user.

    Attributes:
        item: Its id.
        title: Its title, empty where there is none.
        score: The model's score; comparable for one user only.
    """

    item: str
    title: str
    score: float


class Recommender:
    """Recommends items by a trained model, scoring all of them.

    ids -> numbers -> user encoder, rows of like length together -> scores of a chunk -> the k best, the chunk dropped

    Args:
        trained: The model.

    Attributes:
        trained (TrainedModel): The model.
        options: The options that the recommendations depend on besides the model.
    """

    options: dict[str, str] = {}

    def __init__(self, trained: TrainedModel) -> None:
        self.trained = trained
        self._encoder = trained.user_encoder()
        self._history_length = history_length(trained.description)
        self._only_unseen = trained.description["only_unseen"]
        self._number_of = numbers_of_names(trained.description["dataset"], trained.tokens, trained.history_items)

    @classmethod
    def open(cls, folder: str | Path) -> Recommender:
        """Open a folder that the task run made.

        Raises:
            UserError: See :meth:`TrainedModel.open`.
        """
        return cls(TrainedModel.open(folder))

    def recommend(
        self, histories: Sequence[Sequence[str]], k: int = 10, exclude_seen: bool = True
    ) -> list[list[Recommendation]]:
        """Recommend items to users.

        Args:
            histories: Item ids of each user, the latest last; items of other domains as ``domain:item``. Unknown ones
                are skipped, see :meth:`unknown`.
            k: Items for each user.
            exclude_seen: Whether to exclude the items of the history.

        Returns:
            For each user the best items of the target, best first: fewer than k where there are no more, none where
            the history has no item that the model reads.

        Raises:
            UserError: ``histories`` is no list of lists, or ``k`` is no number of items.
        """
        if isinstance(histories, str) or any(isinstance(history, str) for history in histories):
            raise UserError('histories must be a list of lists of item ids, as in recommend([["B01", "B02"]])')
        return self._named(*self.rank([self.numbers(history) for history in histories], k, exclude_seen))

    def numbers(self, history: Iterable[str]) -> list[int]:
        """Return the numbers of the known items of a history."""
        return [number for token in history if (number := self._number_of.get(token)) is not None]

    def unknown(self, history: Iterable[str]) -> list[str]:
        """Return the items of a history that the model does not know."""
        return [token for token in history if token not in self._number_of]

    def read(self, history: Sequence[int]) -> Sequence[int]:
        """Return those items of a history, by number, that the model reads: all, or those of other domains alone."""
        numbers = self.trained.read_numbers
        return history if numbers.start == 1 else [item for item in history if item in numbers]

    def own(self, history: Sequence[int]) -> list[int]:
        """Return those items of a history, by number, that are the target's, and so can be recommended."""
        return [item for item in history if item < self.trained.n_items]

    @torch.inference_mode()
    def rank(self, histories: Sequence[list[int]], k: int, exclude_seen: bool = True) -> tuple[np.ndarray, np.ndarray]:
        """Rank all items of the target, by their numbers.

        Args:
            histories: Item numbers of each of B users; a list without an item that is read gets no items.
            k: Items for each user.
            exclude_seen: Whether to exclude the items of the history.

        Returns:
            Items, best first, 0 where there are no more, int64, and their scores, float32; both of shape [B, k'], k'
            being k or the number of all items.

        Raises:
            UserError: ``k`` is no number of items.
        """
        k = self._checked(k)
        best = np.zeros((len(histories), k), dtype=np.int64)
        values = np.full((len(histories), k), -np.inf, dtype=np.float32)
        rows = [row for row, history in enumerate(histories) if self.read(history)]
        states = self.states([histories[row] for row in rows])
        size = max(1, _SCORES // self.trained.n_items)
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
        recent = [list(self.read(history)[-self._history_length :]) for history in histories]
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

    def _checked(self, k: int) -> int:
        """Return ``k``, at most the number of items; raise UserError if it is no number of items."""
        if isinstance(k, bool) or not isinstance(k, int) or k < 1:
            raise UserError(f"k must be a whole number, 1 or more, but is {k!r}")
        return min(k, len(self.trained.tokens))

    def _scores(self, states: torch.Tensor) -> torch.Tensor:
        """Return the scores of all items, -inf for padding; shape [B, N]."""
        scores = states @ self.trained.candidate_vectors.t()
        if self.trained.item_bias is not None:
            scores += self.trained.item_bias
        scores[:, 0] = -torch.inf
        return scores

    def _named(self, items: np.ndarray, scores: np.ndarray) -> list[list[Recommendation]]:
        """Return the result of :meth:`rank` as recommendations."""
        return [
            [self._recommendation(item, score) for item, score in zip(*row, strict=True) if item]
            for row in zip(items.tolist(), scores.tolist(), strict=True)
        ]

    def _recommendation(self, item: int, score: float) -> Recommendation:
        """Return the recommendation of one item."""
        return Recommendation(self.trained.tokens[item - 1], self.trained.titles[item - 1], score)
