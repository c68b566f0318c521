"""Full ranking without the matrix of all scores: chunks of scores become ranks and are dropped."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

import torch
from recbole.data.interaction import Interaction
from recbole.evaluator.collector import DataStruct
from recbole.evaluator.register import Register

from recbole_idp.errors import UserError
from recbole_idp.progress import progress_bar

if TYPE_CHECKING:
    from recbole.config import Config
    from recbole.evaluator import Evaluator
    from recbole.model.abstract_recommender import SequentialRecommender

    from recbole_idp.data.sequences import Targets


# 8 MiB of float32: large enough for the matrix product, small enough to be counted while in the cache.
CHUNK_ELEMENTS = 1 << 21
# The same for the encoder: 2 MiB of states at width 64, and 8 MiB inside its feed-forward layers.
CHUNK_POSITIONS = 1 << 13


@torch.no_grad()
def rank_targets(
    model: SequentialRecommender, targets: Targets, max_length: int, show_progress: bool = False
) -> torch.Tensor:
    """Rank each target among all items, as RecBole's full evaluation does for sequential models.

    History items are candidates; the padding item is none. Of items with equal scores, those of smaller numbers rank
    first.

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
    model.eval()
    ranks = torch.empty(len(targets), dtype=torch.long)
    # Rows of like length go together, so that little padding is computed.
    order = torch.argsort((targets.ends - targets.starts).clamp(max=max_length), stable=True)
    chunks = order.split(_chunk_size(model, max_length))
    for rows in progress_bar(chunks, show_progress, desc="Evaluate", ncols=100, leave=False):
        wanted = targets.items[rows].to(model.device)
        ranks[rows] = ranks_from_scores(_scores(model, targets, rows, max_length), wanted).cpu()
    return ranks


def _chunk_size(model: SequentialRecommender, max_length: int) -> int:
    """Return the number of rows that are scored at once."""
    return max(1, min(CHUNK_ELEMENTS // model.n_items, CHUNK_POSITIONS // max_length))


def _scores(model: SequentialRecommender, targets: Targets, rows: torch.Tensor, max_length: int) -> torch.Tensor:
    """Return the scores of all items after the histories of some targets; shape [B, N]."""
    items, lengths = targets.histories(rows, max_length)
    return model.full_sort_predict(Interaction({model.ITEM_SEQ: items, model.ITEM_SEQ_LEN: lengths}).to(model.device))


def ranks_from_scores(scores: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Compute the rank of one item in each row of scores.

    Args:
        scores: Scores of all items, item 0 being padding; shape [B, N]. Overwritten in column 0.
        wanted: The item to rank in each row; int64, shape [B].

    Returns:
        Ranks from 1; int64, shape [B].

    Raises:
        UserError: The score of a wanted item is not a number.
    """
    scores[:, 0] = float("-inf")
    own = scores.gather(1, wanted.unsqueeze(1))
    if torch.isnan(own).any():
        raise UserError("the model's scores are not numbers (NaN), its training diverged: lower learning_rate")
    compared = torch.empty_like(scores)
    # Counting in floats is exact up to 2^24 items, and several times faster than in integers.
    greater = torch.gt(scores, own, out=compared).sum(1)
    equal = torch.eq(scores, own, out=compared).sum(1)
    ranks = greater.long() + 1
    for row in (equal > 1).nonzero().squeeze(1).tolist():
        ranks[row] += int((scores[row, : wanted[row]] == own[row]).sum())
    return ranks


@torch.no_grad()
def top_items(model: SequentialRecommender, targets: Targets, max_length: int, k: int) -> torch.Tensor:
    """Return the k items with the highest scores after each history.

    Args:
        model: Model with ``full_sort_predict``.
        targets: The R targets whose histories are used.
        max_length: Maximum number of events in a history.
        k: Number of items for each history.

    Returns:
        Item numbers, best first; int64, shape [R, k].
    """
    model.eval()
    best = torch.empty(len(targets), k, dtype=torch.long)
    for rows in torch.arange(len(targets)).split(_chunk_size(model, max_length)):
        scores = _scores(model, targets, rows, max_length)
        scores[:, 0] = float("-inf")
        best[rows] = torch.topk(scores, k, dim=1).indices.cpu()
    return best


class RankEvaluator:
    """Compute the metrics of RecBole's evaluator from ranks.

    Args:
        config: RecBole's ``metrics`` and ``topk``.
        evaluator: RecBole's evaluator for that configuration.
    """

    NEEDS = {"rec.topk", "rec.items", "data.num_items", "data.num_users", "data.count_items", "data.count_users"}

    def __init__(self, config: Config, evaluator: Evaluator) -> None:
        self.register, self.evaluator = Register(config), evaluator
        self.largest_k = max(config["topk"])
        self.whole_list = "mrr" in [metric.lower() for metric in config["metrics"]]
        self.decimals = config["metric_decimal_place"] or 4

    def supports_all_metrics(self) -> bool:
        """Return whether each configured metric can be computed from ranks and top items."""
        needed = {name for name, value in vars(self.register).items() if value is True}
        return needed <= self.NEEDS

    def needs_items(self) -> bool:
        """Return whether a metric needs the recommended items themselves."""
        return self.register.need("rec.items")

    def ranks_suffice(self) -> bool:
        """Return whether each configured metric can be computed from the ranks of the targets alone."""
        return self.supports_all_metrics() and not self.needs_items()

    def evaluate(
        self, ranks: torch.Tensor, items: torch.Tensor | None = None, collected: DataStruct | None = None
    ) -> OrderedDict[str, float]:
        """Compute the metrics.

        Args:
            ranks: Rank of each target, from 1; int64, shape [R].
            items: Top items for each target; int64, shape [R, K]. Needed where :meth:`needs_items`.
            collected: What RecBole's collector took from the training data.

        Returns:
            RecBole's keys and values; with MRR also ``mrr``, over the whole list.
        """
        struct = DataStruct()
        for name in self.NEEDS:
            if collected is not None and name.startswith("data.") and name in collected:
                struct.set(name, collected.get(name))
        hits = torch.zeros(len(ranks), self.largest_k + 1, dtype=torch.int)
        inside = ranks <= self.largest_k
        hits[inside.nonzero().squeeze(1), ranks[inside] - 1] = 1
        hits[:, -1] = 1
        struct.set("rec.topk", hits)
        if items is not None:
            struct.set("rec.items", items)
        result = OrderedDict(self.evaluator.evaluate(struct))
        if self.whole_list:
            result["mrr"] = round(float((1 / ranks.double()).mean()), self.decimals)
        return OrderedDict((name, float(value)) for name, value in result.items())
