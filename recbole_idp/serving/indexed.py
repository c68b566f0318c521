"""Recommend by a faiss index: the items nearest to a user, or to the items of a user (PRECISE, Serving)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, get_args

import numpy as np
import torch
from torch.nn import functional

from recbole_idp.errors import UserError, nearest
from recbole_idp.serving.export import as_queries, candidate_matrix, sampled_states, wide_index
from recbole_idp.serving.keys import Route, Search, Triggers
from recbole_idp.serving.recommender import Recommender

if TYPE_CHECKING:
    import faiss

    from recbole_idp.serving.answering import Recommendation
    from recbole_idp.serving.trained_model import TrainedModel

# The latest items of a history, or the best items for a user, that ask for others; and how many each brings.
TRIGGERS, NEAR = 20, 20
# 64 MiB of vectors at width 64.
_POOLED = 1 << 18


class IndexedRecommender(Recommender):
    """Recommender that retrieves items by an index.

    u2i: user vector -> index, inner product -> the nearest items
    u2i2i: items of the user -> index, cosine -> the items nearest to each, pooled -> the best of them for the user

    Both routes rank by the model's scores. The index is built when the model is opened, and none is read from a file.

    Args:
        trained: The model.
        route: ``u2i`` or ``u2i2i``.
        triggers: Trigger items of a user in u2i2i: ``history``, the target's latest ones, or ``nearest``, those of u2i,
            which a history without items of the target has in any case.
        search: ``exact``, or approximate by ``ivf`` or ``hnsw``.
    """

    def __init__(
        self, trained: TrainedModel, route: str = "u2i", triggers: str = "history", search: str = "exact"
    ) -> None:
        super().__init__(trained)
        self.route, self.triggers = route, triggers
        self.options = {"route": route, "triggers": triggers, "search": search}
        for (name, word), kind in zip(self.options.items(), (Route, Triggers, Search), strict=True):
            if word not in (words := get_args(kind)):
                raise UserError(f"{name} takes {', '.join(words)}, but is {word!r}")
        self._items = _index(candidate_matrix(trained), search, lambda: sampled_states(trained))
        if route == "u2i2i":
            self._directions = functional.normalize(trained.candidate_vectors[1:]).numpy()
            self._alike = _index(
                self._directions, search, lambda: self._directions[:: len(self._directions) // 256 + 1]
            )

    def recommend_users(
        self, users: Sequence[str], k: int = 10, exclude_seen: bool = True
    ) -> list[list[Recommendation]]:
        """Recommend items to users of the target, after all of their events.

        Args:
            users: User ids.
            k: Items for each user.
            exclude_seen: Whether to exclude history items.

        Returns:
            For each user the best items, as of :meth:`recommend`.

        Raises:
            UserError: The model's folder has no users, or a user is unknown.
        """
        known = self.trained.users
        if known is None:
            raise UserError(
                f"{self.trained.folder} has no users: train with --keep_users, or give their items as a history"
            )
        row_of = {token: row for row, token in enumerate(known.tokens)}
        if missing := [user for user in users if user not in row_of]:
            close = nearest(missing[0], row_of)
            hint = f"did you mean {close[0]}?" if close else "give the user's items as a history"
            raise UserError(f"user {missing[0]} is unknown to the model: {hint}")
        rows = [row_of[user] for user in users]
        histories = [known.history(row) for row in rows]
        return self._named(*self._answers(known.vectors[rows], histories, k, exclude_seen))

    def rank(self, histories: Sequence[list[int]], k: int, exclude_seen: bool = True) -> tuple[np.ndarray, np.ndarray]:
        """Rank items by their numbers; arguments and result as of :meth:`Recommender.rank`."""
        rows = [row for row, history in enumerate(histories) if self.read(history)]
        there = [histories[row] for row in rows]
        items, scores = self._answers(self.states(there), there, k, exclude_seen)
        best = np.zeros((len(histories), items.shape[1]), dtype=np.int64)
        values = np.full(best.shape, -np.inf, dtype=np.float32)
        best[rows], values[rows] = items, scores
        return best, values

    @torch.inference_mode()
    def _answers(
        self, states: torch.Tensor, histories: Sequence[list[int]], k: int, exclude_seen: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """Find the k best items and their scores after non-empty histories of given states; shape [B, k] each."""
        k = self._checked(k)
        histories = [self.own(history) for history in histories]
        seen = histories if exclude_seen or self._only_unseen else [[]] * len(histories)
        if not histories:
            return np.zeros((0, k), dtype=np.int64), np.zeros((0, k), dtype=np.float32)
        if self.route == "u2i":
            return self._nearest(states, seen, k)
        triggers = np.zeros((len(histories), TRIGGERS), dtype=np.int64)
        for row, history in enumerate(histories if self.triggers == "history" else ()):
            latest = list(dict.fromkeys(reversed(history)))[:TRIGGERS]
            triggers[row, : len(latest)] = latest
        # A history of other domains alone has no item that others are near to.
        without = np.flatnonzero(triggers[:, 0] == 0)
        if len(without):
            triggers[without] = self._nearest(states[without], [seen[row] for row in without], TRIGGERS)[0]
        size = max(1, _POOLED // (TRIGGERS * NEAR))
        parts = [slice(start, start + size) for start in range(0, len(histories), size)]
        found = [self._best_of(states[part], self._near(triggers[part]), seen[part], k) for part in parts]
        items, scores = (np.concatenate(columns) for columns in zip(*found, strict=True))
        return items, scores

    def _nearest(self, states: torch.Tensor, seen: Sequence[list[int]], k: int) -> tuple[np.ndarray, np.ndarray]:
        """Find the k unseen items with the highest scores; items and scores [B, k], item 0 where there are no more."""
        # What was seen is among the first ones at worst.
        count = min(k + max((len(set(history)) for history in seen), default=0), len(self.trained.tokens))
        scores, rows = self._items.search(as_queries(self.trained, states), count)
        return _first(rows + 1, np.where(rows < 0, -np.inf, scores), seen, k)

    def _near(self, triggers: np.ndarray) -> np.ndarray:
        """Pool the items nearest to each row's triggers, themselves excluded; shape [B, TRIGGERS * (NEAR + 1)]."""
        asked, places = np.unique(triggers, return_inverse=True)
        count = min(NEAR + 1, len(self.trained.tokens))
        near = np.zeros((len(asked), count), dtype=np.int64)
        real = asked > 0
        near[real] = self._alike.search(self._directions[asked[real] - 1], count)[1] + 1
        near[near == asked[:, None]] = 0
        return near[places.reshape(triggers.shape)].reshape(len(triggers), -1)

    def _best_of(
        self, states: torch.Tensor, pools: np.ndarray, seen: Sequence[list[int]], k: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Rank each row's pool by the model's scores; items and scores [B, k]."""
        pools = np.sort(pools, axis=1)
        pools[:, 1:][pools[:, 1:] == pools[:, :-1]] = 0
        items = torch.from_numpy(pools)
        scores = torch.bmm(self.trained.candidate_vectors[items], states.unsqueeze(2)).squeeze(2)
        if self.trained.item_bias is not None:
            scores += self.trained.item_bias[items]
        scores[items == 0] = -torch.inf
        order = scores.argsort(dim=1, descending=True, stable=True)
        return _first(items.gather(1, order).numpy(), scores.gather(1, order).numpy(), seen, k)


def _index(vectors: np.ndarray, search: str, queries: Callable[[], np.ndarray]) -> faiss.Index:
    """Build an index of item vectors for the inner product; ``queries()`` gives queries to tune an approximate one."""
    import faiss

    if search != "exact":
        return wide_index(vectors, search, queries())[0]
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    return index


def _first(items: np.ndarray, scores: np.ndarray, seen: Sequence[list[int]], k: int) -> tuple[np.ndarray, np.ndarray]:
    """Keep the first k unseen items of each row and their scores; [B, k] each, filled with item 0 and -inf."""
    for row, history in enumerate(seen):
        scores[row, np.isin(items[row], history)] = -np.inf
    order = np.argsort(scores == -np.inf, axis=1, kind="stable")[:, :k]
    items, scores = np.take_along_axis(items, order, 1), np.take_along_axis(scores, order, 1)
    missing = ((0, 0), (0, k - items.shape[1]))
    items, scores = np.pad(items, missing), np.pad(scores, missing, constant_values=-np.inf)
    return np.where(scores == -np.inf, 0, items), scores.astype(np.float32)
