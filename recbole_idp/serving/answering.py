"""What all recommenders of trained folders share: ids in, ids and titles out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from recbole_idp.data.item_names import HistoryItem, numbers_of_names
from recbole_idp.errors import UserError

if TYPE_CHECKING:
    import torch

    from recbole_idp.serving.generated_from import GeneratedFrom


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


class TrainedItems(Protocol):
    """What answering reads of a trained folder. N items with padding.

    Attributes:
        tokens: Ids of items 1 to N - 1.
        titles: Their titles, empty where there is none.
        description: With ``dataset``, and ``config``, the keys of training.
    """

    tokens: list[str]
    titles: list[str]
    description: dict[str, Any]

    @property
    def history_items(self) -> Sequence[HistoryItem]:
        """Items of other domains, which histories hold and which are never recommended."""

    @property
    def n_items(self) -> int:
        """The number of items, padding included: N."""

    @property
    def pretrained_on(self) -> Sequence[str]:
        """The domains that it was pre-trained on."""

    @property
    def domains(self) -> Sequence[str]:
        """The other domains whose items a history may hold."""

    @property
    def read_numbers(self) -> range:
        """The numbers of the items that are read in a history."""

    def digest(self) -> str:
        """Return hexadecimal digits that stand for the content of the folder that was opened."""


class ItemRecommender(ABC):
    """Recommends items by a trained folder; subclasses rank.

    Args:
        trained: The folder's content.

    Attributes:
        trained: As given.
        options: The options that the recommendations depend on besides the model.
        history_length: Items of a history that are read, the latest ones.
    """

    trained: Any  # TrainedItems, and what a subclass reads besides
    options: dict[str, str] = {}
    history_length: int

    def __init__(self, trained: TrainedItems) -> None:
        self.trained = trained
        self._number_of = numbers_of_names(trained.description["dataset"], trained.tokens, trained.history_items)

    @abstractmethod
    def rank(self, histories: Sequence[list[int]], k: int, exclude_seen: bool = True) -> tuple[np.ndarray, np.ndarray]:
        """Rank items of the target, by their numbers.

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

    @property
    def explains(self) -> bool:
        """Whether :meth:`origins` tells what items were generated from."""
        return False

    def origins(self) -> GeneratedFrom | None:
        """Return what tells what items were generated from; None where the folder does not say it."""
        return None

    def candidate_vectors(self) -> torch.Tensor | None:
        """Return a vector of each item, by which items are alike, shape [N, D]; None: the model has none."""
        return None

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

    def _checked(self, k: int) -> int:
        """Return ``k``, at most the number of items; raise UserError if it is no number of items."""
        if isinstance(k, bool) or not isinstance(k, int) or k < 1:
            raise UserError(f"k must be a whole number, 1 or more, but is {k!r}")
        return min(k, len(self.trained.tokens))

    def _named(self, items: np.ndarray, scores: np.ndarray) -> list[list[Recommendation]]:
        """Return the result of :meth:`rank` as recommendations."""
        return [
            [self._recommendation(item, score) for item, score in zip(*row, strict=True) if item]
            for row in zip(items.tolist(), scores.tolist(), strict=True)
        ]

    def _recommendation(self, item: int, score: float) -> Recommendation:
        """Return the recommendation of one item."""
        return Recommendation(self.trained.tokens[item - 1], self.trained.titles[item - 1], score)
