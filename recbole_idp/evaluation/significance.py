"""Whether a difference between two models is more than chance: paired over the users whom both were tested on."""

import math
import warnings
from dataclasses import dataclass

import numpy as np
from scipy import stats

from recbole_idp.errors import UserError

RESAMPLES = 2000
# 32 MiB of resampled values at once.
_CHUNK_ELEMENTS = 1 << 22


def gains(ranks, metric):
    """Computes a ranking metric for each target by itself, every user having one right item.

    Args:
        ranks (array_like): Ranks from 1; any shape.
        metric (str): ``NDCG@k``, ``MRR@k`` or ``Hit@k``, or ``MRR`` over the whole list; case does not matter.

    Returns:
        np.ndarray: Values from 0 to 1, of the ranks' shape.

    Raises:
        UserError: The metric is none of these.
    """
    ranks = np.asarray(ranks, dtype=np.float64)
    name, _, cutoff = metric.lower().partition("@")
    if name not in _GAINS or not (cutoff.isdecimal() and int(cutoff) > 0 if cutoff else name == "mrr"):
        raise UserError(f"{metric} cannot be compared user by user: choose NDCG@10, MRR@10, Hit@10 or the like, or MRR")
    inside = ranks <= (int(cutoff) if cutoff else math.inf)
    return np.where(inside, _GAINS[name](ranks), 0.0)


_GAINS = {"ndcg": lambda ranks: 1 / np.log2(ranks + 1), "mrr": lambda ranks: 1 / ranks, "hit": np.ones_like}


def user_means(values, users):
    """Averages over the seeds, then over the targets of each user.

    Args:
        values (array_like): A metric of each target with each seed; shape [S, R].
        users (Sequence): Whose target it is; length R.

    Returns:
        tuple[np.ndarray, np.ndarray]: The users in sorted order and the mean of each, both of length U.
    """
    known, number = np.unique(np.asarray(users), return_inverse=True)
    sums = np.bincount(number, weights=np.mean(values, axis=0), minlength=len(known))
    return known, sums / np.bincount(number, minlength=len(known))


def paired_t_test(ours, theirs):
    """Tests whether the mean difference of pairs is zero (Student's t, two-sided).

    Args:
        ours (array_like): Values of one model; shape [U].
        theirs (array_like): Values of the other for the same users; shape [U].

    Returns:
        float: The p-value; 1 where all differences are zero, or there is one pair only.
    """
    difference = np.subtract(ours, theirs)
    if len(difference) < 2 or not difference.any():
        return 1.0
    if np.ptp(difference) <= 1e-12 * np.abs(difference).max():
        return 0.0
    return float(stats.ttest_rel(ours, theirs).pvalue)


def relative_gain(ours, theirs):
    """Returns by which share the mean of ``ours`` is above that of ``theirs``; None where the latter is zero."""
    base = float(np.mean(theirs))
    return float(np.mean(ours)) / base - 1 if base else None


def gain_interval(ours, theirs, level=0.95, resamples=RESAMPLES, seed=0):
    """Finds a bootstrap interval of the relative gain: users are drawn with replacement, pairs staying pairs.

    Args:
        ours (array_like): Values of one model, none negative; shape [U].
        theirs (array_like): Values of the other for the same users; shape [U].
        level (float): How often such an interval holds the true gain.
        resamples (int): How many draws of U users.
        seed (int): Their source.

    Returns:
        tuple[float, float] | None: Its ends (percentiles); None where there is no gain to speak of: fewer than two
        users, or draws in which ``theirs`` is zero throughout.
    """
    if len(ours) < 2 or not np.any(theirs):
        return None
    with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)
        interval = stats.bootstrap(
            (ours, theirs),
            lambda left, right, axis: left.mean(axis) / right.mean(axis) - 1,
            paired=True,
            vectorized=True,
            method="percentile",
            confidence_level=level,
            n_resamples=resamples,
            batch=max(1, _CHUNK_ELEMENTS // len(ours)),
            random_state=np.random.default_rng(seed),
        ).confidence_interval
    return (float(interval.low), float(interval.high)) if np.isfinite(interval).all() else None


def holm(p_values):
    """Adjusts p-values for the number of comparisons (Holm, 1979): the family's chance of one false finding is kept.

    Args:
        p_values (Sequence[float]): One for each comparison.

    Returns:
        list[float]: Adjusted values in the given order, each at most 1.
    """
    adjusted, largest = [0.0] * len(p_values), 0.0
    for place, number in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - place) * p_values[number]))
        adjusted[number] = largest
    return adjusted


@dataclass(frozen=True)
class Comparison:
    """One model against another.

    Attributes:
        ours (float): Mean over users of the one.
        theirs (float): Mean over users of the other.
        gain (float | None): The relative gain; None where ``theirs`` is 0.
        interval (tuple[float, float] | None): Of the gain, 95 %; see :func:`gain_interval`.
        p_value (float): Of :func:`paired_t_test`.
        users (int): How many pairs.
    """

    ours: float
    theirs: float
    gain: float | None
    interval: tuple | None
    p_value: float
    users: int


def compare(ours, theirs):
    """Compares two models on the users whom both were tested on.

    Args:
        ours (tuple[np.ndarray, np.ndarray]): Users and their values for one model, as of :func:`user_means`.
        theirs (tuple[np.ndarray, np.ndarray]): The same for the other.

    Returns:
        Comparison: The comparison.

    Raises:
        UserError: They have no user in common.
    """
    common, mine, others = np.intersect1d(ours[0], theirs[0], assume_unique=True, return_indices=True)
    if len(common) == 0:
        raise UserError("the two results have no test user in common: compare results on one dataset")
    left, right = ours[1][mine], theirs[1][others]
    return Comparison(
        float(left.mean()),
        float(right.mean()),
        relative_gain(left, right),
        gain_interval(left, right),
        paired_t_test(left, right),
        len(common),
    )
