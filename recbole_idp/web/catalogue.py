"""The items of a trained folder as clients see them."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from recbole_idp.web import schema
from recbole_idp.web.similar import SimilarItems
from recbole_idp.web.titles import TitleSearch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from recbole_idp.serving.answering import ItemRecommender
    from recbole_idp.serving.generated_from import GeneratedFrom
    from recbole_idp.web.batches import Ranked
    from recbole_idp.web.posters import Posters


class Catalogue:
    """Names, titles, posters and origins of items by their numbers.

    What takes time to make is made when it is first asked for, or by the methods that prepare it. One thread at a time
    may search, and one explain.

    Args:
        recommender: The model.
        posters: Pictures of items; None: there are none.

    Attributes:
        recommender: As given.
        posters: As given.
        size (int): Number of items, those of other domains among them.
    """

    def __init__(self, recommender: ItemRecommender, posters: Posters | None = None) -> None:
        self.recommender, self.posters = recommender, posters
        trained = recommender.trained
        self._tokens, self._titles = trained.tokens, trained.titles
        self._others = [item.name for item in trained.history_items]
        self._read = trained.read_numbers
        self.size = len(self._tokens) + len(self._others)

    def prepare_search(self) -> None:
        """Make what the first search needs."""
        _ = self._search

    def prepare_origins(self) -> None:
        """Make what the first explanation needs."""
        _ = self._origins

    @cached_property
    def similar(self) -> SimilarItems | None:
        """The search for items that are alike; None where the model has no vectors of items."""
        vectors = self.recommender.candidate_vectors()
        return None if vectors is None else SimilarItems(vectors)

    @cached_property
    def _search(self) -> TitleSearch:
        numbers = range(1, self.size + 1)
        return TitleSearch(numbers, [*map(self._name, numbers)], [*map(self._title, numbers)])

    @cached_property
    def _origins(self) -> GeneratedFrom | None:
        return self.recommender.origins()

    def number(self, name: str) -> int | None:
        """Return the number of an item; None: the model does not know it."""
        return next(iter(self.recommender.numbers([name])), None)

    def find(self, query: str, limit: int) -> list[schema.Item]:
        """Return the items that a query means, the best first; see :class:`TitleSearch`."""
        return self.items(self._search.find(query, limit))

    def items(self, numbers: Sequence[int]) -> list[schema.Item]:
        """Return items by their numbers."""
        return [
            schema.Item(
                item=self._name(number),
                title=self._title(number),
                poster=self._has_poster(number),
                read=number in self._read,
            )
            for number in numbers
        ]

    def recommended(self, ranked: Ranked) -> list[schema.Recommended]:
        """Return recommended items."""
        return [
            schema.Recommended(
                item=self._tokens[number - 1],
                title=self._titles[number - 1],
                poster=self._has_poster(number),
                score=score,
            )
            for number, score in ranked
        ]

    def explained(self, ranked: Ranked) -> list[schema.Recommended]:
        """Return recommended items with what they were generated from."""
        found = self.recommended(ranked)
        for item, (number, _) in zip(found, ranked, strict=True):
            item.generated_from = self._generated_from(number)
        return found

    def alike(self, ranked: Ranked) -> list[schema.SimilarItem]:
        """Return items that are like another."""
        return [schema.SimilarItem(**item.model_dump(exclude={"generated_from"})) for item in self.recommended(ranked)]

    def _generated_from(self, number: int) -> schema.GeneratedFrom | None:
        """Return what an item was generated from."""
        origin = None if self._origins is None else self._origins.of(number)
        if origin is None:
            return None
        matches = [
            schema.Match(
                domain=match.item.domain,
                item=match.item.token,
                title=match.item.title,
                weight=match.weight,
                similarity=match.similarity,
            )
            for match in origin.matches
        ]
        return schema.GeneratedFrom(
            matches=matches,
            share=origin.of_matches,
            share_of_map=origin.of_map,
            share_of_own_texts=origin.of_own_texts,
        )

    def _name(self, number: int) -> str:
        """Return the name of an item, as histories hold it."""
        n_own = len(self._tokens)
        return self._tokens[number - 1] if number <= n_own else self._others[number - 1 - n_own]

    def _title(self, number: int) -> str:
        """Return the title of an item; empty for items of other domains."""
        return self._titles[number - 1] if number <= len(self._tokens) else ""

    def _has_poster(self, number: int) -> bool:
        return self.posters is not None and number in self.posters
