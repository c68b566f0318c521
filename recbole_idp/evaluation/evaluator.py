"""RecBole's evaluator for ranking: scores are reduced to ranks and lists batch by batch, and these to metrics.

RecBole's own loops use it as well, so that every metric works in every mode, for every model.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from recbole.evaluator import Collector

from recbole_idp.errors import UserError
from recbole_idp.evaluation.classes import CLASS_METRICS
from recbole_idp.evaluation.gains import gains
from recbole_idp.evaluation.lists import LIST_METRICS, Lists
from recbole_idp.evaluation.metrics import Basis, Key, measured
from recbole_idp.evaluation.ranking import areas_from_scores, lists_from_scores, ranks_from_scores

if TYPE_CHECKING:
    from recbole.config import Config
    from recbole.data.dataloader import AbstractDataLoader
    from recbole.data.interaction import Interaction

    from recbole_idp.data.domains import TargetLoader

_COUNTED = ("averagepopularity", "tailpercentage")
_TAIL = 0.1


class Ranked(NamedTuple):
    """What is kept of the scores of R targets.

    Attributes:
        ranks: Rank of each target, from 1; int64, shape [R].
        areas: Area under the ROC curve of each; float64, shape [R]. Empty where no metric needs it.
        lists: The best items for each, 0 behind the end of a list; int64, shape [R, K]. Empty where no metric needs it.
        target_items: The item of each target; int64, shape [R].
        margins: Score of the second of two classes above that of the first; shape [R]. Empty where no metric needs it.
    """

    ranks: torch.Tensor
    areas: torch.Tensor
    lists: torch.Tensor
    target_items: torch.Tensor
    margins: torch.Tensor


class Evaluation(NamedTuple):
    """Everything that the metrics of an evaluation are computed from.

    Attributes:
        ranked: Of all targets.
        n_items: Number of items, the padding item included.
        counts: Number of training events of each item; shape [N]. None where no metric needs it.
    """

    ranked: Ranked
    n_items: int
    counts: np.ndarray | None


class RankEvaluator:
    """Compute the ranking metrics of RecBole's evaluator; each target has a list of its own.

    Args:
        config: RecBole's ``metrics``, ``topk``, ``valid_metric``, ``metric_decimal_place`` and ``tail_ratio``.
    """

    def __init__(self, config: Config) -> None:
        self.keys = measured(config["metrics"], config["topk"], config["valid_metric"])
        self.decimals = config["metric_decimal_place"] or 4
        tail = config["tail_ratio"]
        self.tail_ratio = _TAIL if tail is None or tail <= 0 else tail
        on_lists = self._based_on(Basis.LISTS)
        self.on_classes = self._based_on(Basis.CLASSES)
        # The predicted class is the best one.
        self.list_length = max((key.cutoff or 0 for key in on_lists), default=1 if self.on_classes else 0)
        self.needs_areas = bool(self._based_on(Basis.CANDIDATES))
        self.needs_counts = any(key.metric.name.lower() in _COUNTED for key in on_lists)

    def _based_on(self, basis: Basis) -> list[Key]:
        return [key for key in self.keys if key.metric.basis is basis]

    def rank(self, scores: torch.Tensor, target_items: torch.Tensor) -> Ranked:
        """Reduce the scores of some targets.

        Args:
            scores: Scores of all items, -inf for those that are no candidates; shape [B, N]. Overwritten in column 0.
            target_items: The item of each target; int64, shape [B].

        Returns:
            What the metrics need of them, on the CPU.

        Raises:
            UserError: The score of a target is not a number.
        """
        ranks = ranks_from_scores(scores, target_items)
        areas = areas_from_scores(scores, target_items) if self.needs_areas else torch.zeros(len(ranks))
        lists = lists_from_scores(scores, self.list_length) if self.list_length else ranks.new_zeros(len(ranks), 0)
        two = bool(self.on_classes) and scores.shape[1] == 3
        margins = scores[:, 2] - scores[:, 1] if two else torch.zeros(len(ranks))
        return Ranked(ranks.cpu(), areas.cpu(), lists.cpu(), target_items.cpu(), margins.cpu())

    def evaluate(self, evaluation: Evaluation) -> OrderedDict[str, float]:
        """Compute the metrics.

        Args:
            evaluation: What they are computed from.

        Returns:
            RecBole's keys and values; with MRR also ``mrr``, over the whole list.
        """
        # The area has no value for more classes than two.
        keys = [key for key in self.keys if key.metric.name != "BinaryAUC" or evaluation.n_items == 3]
        # Rounded as NumPy rounds, like RecBole's.
        return OrderedDict((key.text, float(np.round(self._value(key, evaluation), self.decimals))) for key in keys)

    def _value(self, key: Key, evaluation: Evaluation) -> float:
        """Return the value of one metric."""
        if key.metric.basis is Basis.RANKS:
            return float(gains(evaluation.ranked.ranks.numpy(), key.title).mean())
        if key.metric.basis is Basis.LISTS:
            items = evaluation.ranked.lists[:, : key.cutoff].numpy()
            lists = Lists(items, evaluation.n_items, evaluation.counts, self.tail_ratio)
            return LIST_METRICS[key.metric.name.lower()](lists)
        if key.metric.basis is Basis.CLASSES:
            actual, predicted = evaluation.ranked.target_items.numpy(), evaluation.ranked.lists[:, 0].numpy()
            return CLASS_METRICS[key.metric.name](actual, predicted, evaluation.ranked.margins.numpy())
        areas = evaluation.ranked.areas[~evaluation.ranked.areas.isnan()]
        if len(areas) == 0:
            raise UserError("GAUC has no value, as no target has another candidate: remove it from metrics")
        return float(areas.mean())


class RankCollector(Collector):
    """RecBole's collector for ranking, which reduces each batch of scores at once.

    Args:
        config: The configuration.
        evaluator: Says what is kept.

    Attributes:
        ranks: Rank of each target of the latest evaluation, in the order in which they were collected.
    """

    ranks: torch.Tensor | None = None

    def __init__(self, config: Config, evaluator: RankEvaluator) -> None:
        super().__init__(config)
        self.rank_evaluator = evaluator
        self._counts: np.ndarray | None = None
        self._n_items = 0
        self._parts: list[Ranked] = []

    def data_collect(self, train_data: AbstractDataLoader | TargetLoader) -> None:
        """Count the training events of each item where a metric needs it."""
        if self.rank_evaluator.needs_counts:
            self._counts = train_data.dataset.item_counts()

    def collect(self, scores: torch.Tensor, target_items: torch.Tensor) -> None:
        """Reduce the scores of a batch; arguments as of :meth:`RankEvaluator.rank`."""
        self._n_items = scores.shape[1]
        self._parts.append(self.rank_evaluator.rank(scores, target_items))

    def eval_batch_collect(
        self,
        scores_tensor: torch.Tensor,
        interaction: Interaction,
        positive_u: torch.Tensor,
        positive_i: torch.Tensor,
    ) -> None:
        """Collect a batch of RecBole's loop: each target of a row is ranked by itself.

        Args:
            scores_tensor: Shape [B, N].
            interaction: The rows.
            positive_u: Row of each target; shape [T].
            positive_i: Item of each target; shape [T].
        """
        rows = positive_u.to(scores_tensor.device)
        self.collect(scores_tensor[rows], positive_i.to(scores_tensor.device))

    def get_data_struct(self) -> Evaluation:
        """Return what was collected, in order, and forget it but for the training data."""
        ranked = Ranked(*(torch.cat(tensors) for tensors in zip(*self._parts, strict=True)))
        self._parts, self.ranks = [], ranked.ranks
        return Evaluation(ranked, self._n_items, self._counts)


def reordered(evaluation: Evaluation, order: torch.Tensor) -> Evaluation:
    """Return an evaluation in the order of its targets.

    Args:
        evaluation: Collected in another order.
        order: The number of each collected target; int64, shape [R].
    """
    ranked = Ranked(*(tensor[torch.argsort(order)] for tensor in evaluation.ranked))
    return evaluation._replace(ranked=ranked)
