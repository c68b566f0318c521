"""The metrics of RecBole's evaluator, and those of classes: what each follows from, and which is better when smaller.

RecBole's own table is slow to import; a test compares the two.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from recbole_idp.errors import UserError, nearest


class Basis(enum.Enum):
    """What a metric is computed from."""

    RANKS = "the rank of each target"
    CANDIDATES = "the scores of all candidates"
    LISTS = "the recommended lists"
    LABELS = "scores and labels"
    CLASSES = "the predicted class of each user"


class Metric(NamedTuple):
    """A metric of RecBole's evaluator, or of classes.

    Attributes:
        name: As in ``metrics``.
        basis: What it is computed from.
        cut: Whether it has a value for each cut-off of ``topk``.
        smaller: Whether a smaller value is better.
    """

    name: str
    basis: Basis
    cut: bool = True
    smaller: bool = False


_ALL = (
    Metric("Hit", Basis.RANKS),
    Metric("MRR", Basis.RANKS),
    Metric("MAP", Basis.RANKS),
    Metric("Recall", Basis.RANKS),
    Metric("NDCG", Basis.RANKS),
    Metric("Precision", Basis.RANKS),
    Metric("GAUC", Basis.CANDIDATES, cut=False),
    Metric("ItemCoverage", Basis.LISTS),
    Metric("AveragePopularity", Basis.LISTS, smaller=True),
    Metric("ShannonEntropy", Basis.LISTS),
    Metric("GiniIndex", Basis.LISTS, smaller=True),
    Metric("TailPercentage", Basis.LISTS),
    Metric("AUC", Basis.LABELS, cut=False),
    Metric("MAE", Basis.LABELS, cut=False, smaller=True),
    Metric("RMSE", Basis.LABELS, cut=False, smaller=True),
    Metric("LogLoss", Basis.LABELS, cut=False, smaller=True),
    Metric("Accuracy", Basis.RANKS, cut=False),
    Metric("MacroF1", Basis.CLASSES, cut=False),
    Metric("BinaryAUC", Basis.CLASSES, cut=False),
)

METRICS = {metric.name.lower(): metric for metric in _ALL}
"""Every metric by its name in lower case, as results spell it."""

WHOLE_LIST = "mrr"
"""The key of MRR over the whole list, which is computed with MRR at each cut-off."""

PER_USER = ", ".join(metric.name for metric in _ALL if metric.basis is Basis.RANKS)


class Key(NamedTuple):
    """A metric at one cut-off, as results name it.

    Attributes:
        metric: The metric.
        cutoff: The cut-off; None where there is none.
    """

    metric: Metric
    cutoff: int | None = None

    @property
    def text(self) -> str:
        """The key in a result, such as ``ndcg@10``."""
        return self.title.lower()

    @property
    def title(self) -> str:
        """The key as people write it, such as ``NDCG@10``."""
        return self.metric.name if self.cutoff is None else f"{self.metric.name}@{self.cutoff}"


def parse(text: str) -> Key:
    """Read a metric such as ``NDCG@10``, whatever its case.

    Args:
        text: The metric; with a cut-off where it has one, which ``MRR`` may lack.

    Returns:
        The metric and its cut-off.

    Raises:
        UserError: There is no such metric, or its cut-off is missing, superfluous or no whole number from 1.
    """
    name, at, cutoff = text.partition("@")
    metric = METRICS.get(name.lower())
    if metric is None:
        matches = nearest(name, [one.name for one in _ALL])
        raise UserError(f"{text} is no metric: {f'did you mean {matches[0]}?' if matches else 'see the key metrics'}")
    if not at and (not metric.cut or metric.name.lower() == WHOLE_LIST):
        return Key(metric)
    if not metric.cut:
        raise UserError(f"{text} has a cut-off, and {metric.name} takes none: write {metric.name}")
    if not (cutoff.isascii() and cutoff.isdecimal() and cutoff[0] != "0"):
        raise UserError(f"{text} has no cut-off: write {metric.name}@10 or the like")
    return Key(metric, int(cutoff))


def measured(metrics: Sequence[str], topk: Sequence[int], valid_metric: str | None) -> list[Key]:
    """List what is measured: each metric at each cut-off, and the watched one.

    Args:
        metrics: Names of metrics, in any case.
        topk: Cut-offs.
        valid_metric: The watched metric; None: there is none.

    Returns:
        The keys in the order of the result, each once. MRR at cut-offs brings MRR over the whole list, at the end.
    """
    chosen = [METRICS[name.lower()] for name in metrics]
    keys = [Key(metric, k) for metric in chosen for k in (topk if metric.cut else [None])]
    keys += [Key(metric) for metric in chosen if metric.name.lower() == WHOLE_LIST]
    keys += [parse(valid_metric)] if valid_metric else []
    return list(dict.fromkeys(keys))


def needs_classes(metrics: Sequence[str]) -> list[str]:
    """Return those of these metrics that are of predicted classes alone."""
    return [name for name in metrics if METRICS[name.lower()].basis is Basis.CLASSES]


def compares_labels(metrics: Sequence[str]) -> bool:
    """Return whether some of these metrics compares scores with labels."""
    return any(METRICS[name.lower()].basis is Basis.LABELS for name in metrics)


def metric_name(key: str) -> str:
    """Return the key of a result as people write it, such as ``NDCG@10``; an unknown one as it is."""
    name, at, cutoff = key.partition("@")
    return f"{METRICS[name].name}{at}{cutoff}" if name in METRICS else key


def smaller_is_better(key: str) -> bool:
    """Return whether the smaller value of a metric is the better one; ``giniindex@10`` is a key."""
    metric = METRICS.get(key.lower().partition("@")[0])
    return metric is not None and metric.smaller


def goodness(key: str, value: float) -> float:
    """Return a number that is larger for a better value of a metric."""
    return -value if smaller_is_better(key) else value


def best_of(key: str, values: Iterable[float]) -> float:
    """Return the best of some values of a metric."""
    return max(values, key=lambda value: goodness(key, value))


def why_no_test(metric: str) -> str | None:
    """Say why a metric has no test paired over users, in one line; None where it has one."""
    key = parse(metric)
    if key.metric.basis is Basis.RANKS:
        return None
    return (
        f"{key.title} has no test paired over users: it follows from {key.metric.basis.value}, and results keep the "
        "rank of each target alone"
    )
