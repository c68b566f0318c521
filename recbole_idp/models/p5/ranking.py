"""Rank items after histories, by a network, a writer of prompts, and the trie of items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from recbole_idp.models.p5.prompts import PromptWriter, evaluation_template
from recbole_idp.models.p5.tokenizer import padded, whole_words
from recbole_idp.models.p5.trie import ItemTrie, score_exactly, search_beams

if TYPE_CHECKING:
    from recbole_idp.models.p5.keys import RankingSettings
    from recbole_idp.models.p5.network import P5Network


@dataclass(frozen=True)
class ItemRanking:
    """Ranks items as answers to the question after a history.

    Attributes:
        writer: Writes the question.
        trie: The items.
        settings: How they are scored.
    """

    writer: PromptWriter
    trie: ItemTrie
    settings: RankingSettings

    def questions(self, histories: Sequence[Sequence[int]]) -> torch.Tensor:
        """Return the question after each history of item numbers; int64, shape [B, L]."""
        template = evaluation_template(self.settings.test_prompt == "unseen")
        return padded([self.writer.question(template, history) for history in histories])

    def scores(
        self, network: P5Network, histories: Sequence[Sequence[int]], excluded: Sequence[Sequence[int]] = ()
    ) -> torch.Tensor:
        """Score items after histories.

        Args:
            network: The network, in evaluation mode.
            histories: Item numbers of each of B histories.
            excluded: Items that are no candidates, for each history; empty: there are none.

        Returns:
            The log-probability of each item, -inf for padding, for what is excluded, and with ``beam`` for all items
            beyond the beams; shape [B, N].
        """
        device = network.whole_words.weight.device
        pieces = self.questions(histories).to(device)
        words = whole_words(pieces, self.writer.tokenizer.starts.to(device))
        left_out = padded(excluded).to(device) if excluded else None
        if self.settings.scoring == "exact":
            scores = score_exactly(network, pieces, words, self.trie)
            if left_out is not None:
                scores.scatter_(1, left_out, -torch.inf)
            return scores
        items, found = search_beams(network, pieces, words, self.trie, self.settings.beams, left_out)
        scores = found.new_full((len(pieces), self.trie.n_items), -torch.inf)
        return scores.scatter_(1, items, found).index_fill_(1, items.new_zeros(1), -torch.inf)

    def best(
        self, network: P5Network, histories: Sequence[Sequence[int]], k: int, excluded: Sequence[Sequence[int]] = ()
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Find the best items after histories.

        Args:
            network: The network, in evaluation mode.
            histories: Item numbers of each of B histories.
            k: Items for each; with ``beam`` there are as many beams at least.
            excluded: As of :meth:`scores`.

        Returns:
            Items, best first, 0 where there are no more, int64; and their log-probabilities; both of shape [B, k].
        """
        rule = self.settings.model_copy(update={"beams": max(self.settings.beams, k)})
        scores = ItemRanking(self.writer, self.trie, rule).scores(network, histories, excluded)
        found, items = scores.topk(min(k, scores.shape[1]), 1)
        return items.masked_fill(found == -torch.inf, 0), found
