"""What the embeddings of a trained model's items were generated from: the matched source items, with their weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from recbole_idp.errors import UserError
from recbole_idp.models.idp.generation import confidence, match_weights
from recbole_idp.models.idp.keys import GenerationSettings
from recbole_idp.search.exact import Matches

if TYPE_CHECKING:
    from recbole_idp.serving.source_items import SourceItem
    from recbole_idp.serving.trained_model import TrainedModel

_MIXED = ("mixture", "blend")


class MatchedItem(NamedTuple):
    """A source item that an embedding was generated from.

    Attributes:
        item: The source item.
        weight: Its weight among the matches, which sum to one.
        similarity: Cosine of the two text vectors.
    """

    item: SourceItem
    weight: float
    similarity: float


class Origin(NamedTuple):
    """What an item's embedding was generated from. The three shares sum to one.

    Attributes:
        matches: The matched source items, the heaviest first.
        of_matches: Share of these items.
        of_map: Share of the map from texts to IDs, which is learned on all source items.
        of_own_texts: Share of the target's own texts.
    """

    matches: list[MatchedItem]
    of_matches: float
    of_map: float
    of_own_texts: float


class GeneratedFrom:
    """Tells what items were generated from.

    The shares are those of the generators' equations: one for the matches of ``paper`` and ``neighbours``, none in
    ``map``; in ``mixture`` c_i, the confidence that the best match is a twin, and 1 - c_i for the map; ``blend`` gives
    own_texts * (1 - c_i) of all to the target's own texts.

    Args:
        trained: A model with :attr:`TrainedModel.transfer` and :attr:`TrainedModel.source_items`.

    Raises:
        UserError: The matches are not those of the model's items; a seal alone does not make a folder consistent.
    """

    def __init__(self, trained: TrainedModel) -> None:
        transfer, names = trained.transfer, trained.source_items
        assert transfer is not None and names is not None  # as the caller has looked
        settings = GenerationSettings.of(trained.description["config"])
        items, similarities, vectors = (transfer.get(name) for name in ("items", "similarities", "vectors"))
        if (
            items is None
            or similarities is None
            or vectors is None
            or not len(items) == len(vectors) == len(trained.tokens)
            or items.shape != similarities.shape
            or items.ndim != 2
            or not similarities.isfinite().all()
        ):
            raise UserError(f"{trained.folder} has matches of other items than its own: train the model again")
        self._matches = Matches(items.numpy(), similarities.numpy(), vectors.any(dim=1).numpy())
        self._names = names
        self._weights = match_weights(self._matches, settings)
        self._confidence = confidence(self._matches).squeeze(1)
        self._generator, self._own_texts = settings.generator, settings.own_texts

    def of(self, number: int) -> Origin | None:
        """Return what an item was generated from; None where it has no text, and so no match.

        Args:
            number: The item's number, from 1 on.
        """
        row = number - 1
        if not self._matches.matched[row]:
            return None
        weights, similarities = self._weights[row].tolist(), self._matches.similarities[row].tolist()
        names = self._names.named(self._matches.items[row])
        found = sorted(map(MatchedItem, names, weights, similarities), key=lambda one: -one.weight)
        return Origin(found, *self._shares(float(self._confidence[row])))

    def _shares(self, confident: float) -> tuple[float, float, float]:
        """Return the shares of matches, map and own texts; ``confident`` is c_i."""
        if self._generator not in _MIXED:
            return (0.0, 1.0, 0.0) if self._generator == "map" else (1.0, 0.0, 0.0)
        own = self._own_texts * (1 - confident) if self._generator == "blend" else 0.0
        return (1 - own) * confident, (1 - own) * (1 - confident), own
