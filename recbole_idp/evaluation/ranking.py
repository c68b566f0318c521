"""Full ranking without the matrix of all scores: chunks of scores become ranks and short lists, and are dropped."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from recbole.data.interaction import Interaction

from recbole_idp.errors import UserError
from recbole_idp.evaluation.gains import NOT_RANKED
from recbole_idp.terminal.progress import progress_bar

if TYPE_CHECKING:
    from recbole.model.abstract_recommender import SequentialRecommender

    from recbole_idp.data.sequences import Targets


# 8 MiB of float32: large enough for the matrix product, small enough to be counted while in the cache.
CHUNK_ELEMENTS = 1 << 21
# Users of a chunk at least, where items are many: each chunk reads the vectors of all items.
LEAST_ROWS = 16
# The same for the encoder: 2 MiB of states at width 64, and 8 MiB inside its feed-forward layers.
CHUNK_POSITIONS = 1 << 13


@torch.no_grad()
def rank_targets(
    model: SequentialRecommender, targets: Targets, max_length: int, show_progress: bool = False
) -> torch.Tensor:
    """Rank each target among all items, as RecBole's full evaluation does for sequential models.

    History items are candidates unless the model gives them the score -inf; the padding item is none. Of items with
    equal scores, those of smaller numbers rank first.

    Args:
        model: Model with ``full_sort_predict``.
        targets: The R targets to rank.
        max_length: Maximum number of events in a history.
        show_progress: Whether to show a progress bar.

    Returns:
        Rank of each target from 1; int64, shape [R].

    Raises:
        UserError: A score is not a number.
    """
    ranks = torch.empty(len(targets), dtype=torch.long)
    for rows, scores, target_items in scored_chunks(model, targets, max_length, show_progress):
        ranks[rows] = ranks_from_scores(scores, target_items).cpu()
    return ranks


@torch.no_grad()
def scored_chunks(
    model: SequentialRecommender, targets: Targets, max_length: int, show_progress: bool = False
) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    """Score all items after the history of each target, a chunk of targets at a time.

    Args:
        model: Model with ``full_sort_predict``.
        targets: The R targets.
        max_length: Maximum number of events in a history.
        show_progress: Whether to show a progress bar.

    Yields:
        The numbers of B targets, the scores of all items, shape [B, N], and the items of the targets, shape [B].
    """
    model.eval()
    # Rows of like length go together, so that little padding is computed.
    order = torch.argsort((targets.ends - targets.starts).clamp(max=max_length), stable=True)
    for rows in progress_bar(
        order.split(rows_of_chunk(model.n_items, max_length)), show_progress, desc="Evaluate", ncols=100, leave=False
    ):
        items, lengths = targets.histories(rows, max_length)
        histories = Interaction({model.ITEM_SEQ: items, model.ITEM_SEQ_LEN: lengths}).to(model.device)
        yield rows, model.full_sort_predict(histories), targets.items[rows].to(model.device)


def rows_of_chunk(n_items: int, max_length: int) -> int:
    """Return how many targets are scored together.

    Args:
        n_items: Number of items N.
        max_length: Maximum number of events in a history.
    """
    return max(1, min(max(CHUNK_ELEMENTS // n_items, LEAST_ROWS), CHUNK_POSITIONS // max_length))


def ranks_from_scores(scores: torch.Tensor, target_items: torch.Tensor) -> torch.Tensor:
    """Compute the rank of one item in each row of scores.

    Items with the score -inf are no candidates. One of them has no rank itself.

    Args:
        scores: Scores of all items, item 0 being padding; shape [B, N]. Overwritten in column 0.
        target_items: The item to rank in each row; int64, shape [B].

    Returns:
        Ranks from 1, and ``NOT_RANKED`` for an item that is no candidate; int64, shape [B].

    Raises:
        UserError: The score of a target item is not a number.
    """
    scores[:, 0] = float("-inf")
    own = scores.gather(1, target_items.unsqueeze(1))
    if torch.isnan(own).any():
        raise UserError("the model's scores are not numbers (NaN), its training diverged: lower learning_rate")
    compared = torch.empty_like(scores)
    # Counting in floats is exact up to 2^24 items, and several times faster than in integers.
    greater = torch.gt(scores, own, out=compared).sum(1)
    equal = torch.eq(scores, own, out=compared).sum(1)
    ranks = greater.long() + 1
    for row in (equal > 1).nonzero().squeeze(1).tolist():
        ranks[row] += int((scores[row, : target_items[row]] == own[row]).sum())
    return ranks.masked_fill_(own.squeeze(1) == float("-inf"), NOT_RANKED)


def areas_from_scores(scores: torch.Tensor, target_items: torch.Tensor) -> torch.Tensor:
    """Compute the area under the ROC curve of each row: the share of the other candidates below the target.

    A candidate with an equal score counts half, as in RecBole's GAUC.

    Args:
        scores: Scores of all items, -inf for those that are no candidates; shape [B, N].
        target_items: The target item of each row; int64, shape [B].

    Returns:
        Areas from 0 to 1, 0 where the target item is no candidate, NaN where it is the only one; float64, shape [B].
    """
    own = scores.gather(1, target_items.unsqueeze(1))
    is_candidate = own.squeeze(1) > float("-inf")
    others = (scores > float("-inf")).sum(1) - is_candidate.long()
    below = ((scores < own) & (scores > float("-inf"))).sum(1)
    equal = (scores == own).sum(1) - 1
    return torch.where(is_candidate, (below.double() + 0.5 * equal.double()) / others.double(), 0.0)


def lists_from_scores(scores: torch.Tensor, k: int) -> torch.Tensor:
    """Find the candidates with the highest scores of each row; of equal scores, smaller numbers come first.

    Args:
        scores: Scores of all items, -inf for those that are no candidates, such as padding; shape [B, N].
        k: Length of the lists.

    Returns:
        Item numbers, best first, 0 behind the end of a shorter list; int64, shape [B, min(k, N - 1)].
    """
    k = min(k, scores.shape[1] - 1)
    values, items = scores.topk(k, dim=1)
    # topk leaves the order of equal scores open: inside the list they are sorted here, ...
    items = items.sort(dim=1).values
    items = items.gather(1, scores.gather(1, items).argsort(dim=1, descending=True, stable=True))
    # ... and where the last one equals some item outside, the whole row is.
    last = values[:, -1:]
    open_rows = ((scores == last).sum(1) > (values == last).sum(1)) & (last.squeeze(1) > float("-inf"))
    if open_rows.any():
        items[open_rows] = scores[open_rows].argsort(dim=1, descending=True, stable=True)[:, :k]
    return items.masked_fill(scores.gather(1, items) == float("-inf"), 0)
