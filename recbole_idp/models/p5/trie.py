"""The answers that name an item, as a tree of pieces, and the items that a network names most probably."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn import functional

from recbole_idp.models.p5.network import END, PAD
from recbole_idp.models.p5.stepping import SteppingDecoder

if TYPE_CHECKING:
    from recbole_idp.models.p5.network import P5Network

# 32 MiB of float32: the log-probabilities of all pieces after some beginnings of answers.
_ELEMENTS = 1 << 23


@dataclass(frozen=True)
class Level:
    """Beginnings of one length. M of them.

    Attributes:
        pieces: The last piece of each; int64, shape [M].
        parents: Number of the beginning before it, in the level above; int64, shape [M].
        items: The item whose whole answer it is, but for the end; 0: none; int64, shape [M].
        first: Number of the first of its continuations in the level below; int64, shape [M].
        count: How many continuations it has; int64, shape [M].
    """

    pieces: torch.Tensor
    parents: torch.Tensor
    items: torch.Tensor
    first: torch.Tensor
    count: torch.Tensor


class ItemTrie:
    """All answers that name an item, with common beginnings kept once.

    Level 0 is the empty beginning, whose piece is the decoder's start.

    Args:
        answers: The pieces of items 1 to N - 1, without the end; each different, none empty.

    Attributes:
        levels: The beginnings by their length.
        n_items: The number of items, padding included: N.

    Raises:
        ValueError: Two items have the same answer, or one has none.
    """

    def __init__(self, answers: Sequence[Sequence[int]]) -> None:
        if len(set(map(tuple, answers))) < len(answers) or not all(answers):
            raise ValueError("the answers of two items are the same, or one is empty")
        self.n_items = len(answers) + 1
        order = sorted(range(len(answers)), key=lambda number: tuple(answers[number]))
        places = [0] * len(answers)
        levels: list[tuple[Any, Any, Any]] = [([PAD], [0], [0])]
        for depth in range(max(map(len, answers), default=0)):
            pieces, parents, items = [], [], []
            last: tuple[int, int] | None = None
            for number in order:
                answer = answers[number]
                if len(answer) <= depth:
                    continue
                found = (places[number], answer[depth])
                if found != last:
                    pieces.append(found[1])
                    parents.append(found[0])
                    items.append(0)
                    last = found
                places[number] = len(pieces) - 1
                if len(answer) == depth + 1:
                    items[-1] = number + 1
            levels.append((pieces, parents, items))
        self.levels = [
            self._level(*level, np.bincount(below[1], minlength=len(level[0])))
            for level, below in zip(levels, [*levels[1:], ((), np.zeros(0, dtype=np.int64), ())], strict=True)
        ]

    @staticmethod
    def _level(pieces: Sequence[int], parents: Sequence[int], items: Sequence[int], count: np.ndarray) -> Level:
        """Return a level, whose continuations lie in the order of their beginnings."""
        first = np.cumsum(count) - count
        return Level(*(torch.as_tensor(np.asarray(part)).long() for part in (pieces, parents, items, first, count)))

    @property
    def n_beginnings(self) -> int:
        """The number of beginnings, the empty one included."""
        return sum(len(level.pieces) for level in self.levels)


@torch.no_grad()
def score_exactly(network: P5Network, pieces: torch.Tensor, words: torch.Tensor, trie: ItemTrie) -> torch.Tensor:
    """Compute the log-probability of every item as the answer to prompts.

    Each beginning is decoded once for a prompt, whatever number of items it begins.

    Args:
        network: The network, in evaluation mode.
        pieces: The prompts, padded; int64, shape [B, L].
        words: Number of each piece's word; int64, shape [B, L].
        trie: The items.

    Returns:
        Scores, -inf for padding; shape [B, N].
    """
    widest = max(len(level.pieces) for level in trie.levels)
    size = max(1, _ELEMENTS // (widest * network.sizes.vocabulary))
    parts = [_score_all(network, *part, trie) for part in zip(pieces.split(size), words.split(size), strict=True)]
    return torch.cat(parts) if parts else pieces.new_zeros((0, trie.n_items), dtype=torch.float32)


def _score_all(network: P5Network, pieces: torch.Tensor, words: torch.Tensor, trie: ItemTrie) -> torch.Tensor:
    """Score all items after some prompts; see :func:`score_exactly`."""
    size, device = len(pieces), pieces.device
    scores = torch.full((size, trie.n_items), -torch.inf, device=device)
    decoder = SteppingDecoder(network, network.encode(pieces, words), pieces == PAD)
    total, before, following = torch.zeros(size, 1, device=device), None, None
    for level in trie.levels:
        step, parents = (part.to(device).expand(size, -1) for part in (level.pieces, level.parents))
        if following is not None:
            row = torch.arange(size, device=device).unsqueeze(1)
            total = total.gather(1, parents) + following[row, parents, step]
        following, before = decoder.advance(step, parents, before)
        ends = level.items.nonzero().squeeze(1).to(device)
        scores[:, level.items.to(device)[ends]] = total[:, ends] + following[:, ends, END]
    return scores


@torch.no_grad()
def search_beams(
    network: P5Network,
    pieces: torch.Tensor,
    words: torch.Tensor,
    trie: ItemTrie,
    beams: int,
    excluded: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Find the items that answer prompts most probably, by beam search among the beginnings of items.

    Only what continues the beginning of an item is scored, so that each answer is an item. Answers that have come to
    their end stay among the beams, and there is no rule of length: a score is the log-probability of the whole answer.

    Args:
        network: The network, in evaluation mode.
        pieces: The prompts, padded; int64, shape [B, L].
        words: Number of each piece's word; int64, shape [B, L].
        trie: The items.
        beams: Beginnings that are kept for each prompt.
        excluded: Items that are no answers to each prompt, 0 for none; int64, shape [B, X].

    Returns:
        Items, best first, 0 where there are no more, int64; and their log-probabilities, -inf there; both [B, K], K
        being ``beams``, or the number of items if that is smaller.
    """
    beams = min(beams, trie.n_items - 1)
    size = max(1, _ELEMENTS // (beams * network.sizes.vocabulary))
    excluded = pieces.new_zeros((len(pieces), 1)) if excluded is None else excluded
    items = pieces.new_zeros((len(pieces), beams))
    scores = torch.full(items.shape, -torch.inf, device=pieces.device)
    for rows in torch.arange(len(pieces)).split(size):
        found = _search(network, pieces[rows], words[rows], trie, beams, excluded[rows])
        items[rows], scores[rows] = found
    return items, scores


def _search(
    network: P5Network,
    pieces: torch.Tensor,
    words: torch.Tensor,
    trie: ItemTrie,
    beams: int,
    excluded: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Search after some prompts; see :func:`search_beams`."""
    size, device = len(pieces), pieces.device
    decoder = SteppingDecoder(network, network.encode(pieces, words), pieces == PAD)
    row = torch.arange(size, device=device).unsqueeze(1)
    # The beams: a beginning in the level of this step, and its log-probability; -inf where there is no beam.
    nodes, total = torch.zeros(size, 1, dtype=torch.long, device=device), torch.zeros(size, 1, device=device)
    parents, before = nodes, None
    done_items = torch.zeros(size, beams, dtype=torch.long, device=device)
    done_scores = torch.full((size, beams), -torch.inf, device=device)
    for number, level in enumerate(trie.levels):
        following, before = decoder.advance(level.pieces.to(device)[nodes], parents, before)
        ending = level.items.to(device)[nodes]
        ended = total + following[:, :, END]
        is_answer = (ending > 0) & (ending.unsqueeze(2) != excluded.unsqueeze(1)).all(2)
        scores = torch.cat([done_scores, ended.masked_fill(~is_answer, -torch.inf)], 1)
        items = torch.cat([done_items, ending], 1)
        if number + 1 == len(trie.levels):
            best, places = scores.topk(beams, 1)
            return items.gather(1, places).masked_fill(best == -torch.inf, 0), best
        below = trie.levels[number + 1]
        count = level.count.to(device)[nodes].masked_fill(total == -torch.inf, 0)
        width = max(1, int(count.max()))
        place = torch.arange(width, device=device)
        there = place < count.unsqueeze(2)
        children = (level.first.to(device)[nodes].unsqueeze(2) + place).masked_fill(~there, 0)
        grown = following.gather(2, below.pieces.to(device)[children]) + total.unsqueeze(2)
        grown = grown.masked_fill(~there, -torch.inf).flatten(1)
        # Answers at their end and beginnings compete for the same beams.
        together = torch.cat([scores, grown], 1)
        best, places = together.topk(min(beams, together.shape[1]), 1)
        n_done = scores.shape[1]
        is_done = places < n_done
        done_scores = best.masked_fill(~is_done, -torch.inf)
        done_items = items.gather(1, places.clamp(max=n_done - 1)).masked_fill(~is_done | (best == -torch.inf), 0)
        done_scores, done_items = (
            functional.pad(part, (0, beams - part.shape[1]), value=fill)
            for part, fill in ((done_scores, -torch.inf), (done_items, 0))
        )
        total = best.masked_fill(is_done, -torch.inf)
        chosen = (places - n_done).clamp(min=0)
        parents, nodes = chosen // width, children.flatten(1)[row, chosen]
        live = total.isfinite().any(0)
        if not live.any():
            return done_items, done_scores
        # Beams are sorted by their scores, not by whether they live: keep as many columns as the fullest row needs.
        order = total.argsort(dim=1, descending=True, stable=True)[:, : int(total.isfinite().sum(1).max())]
        total, parents, nodes = (part.gather(1, order) for part in (total, parents, nodes))
    raise AssertionError("a trie has a level")
