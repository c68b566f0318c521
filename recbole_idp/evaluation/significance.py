"""Significance of the difference between two models, paired over the users whom both were tested on."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from recbole_idp.errors import UserError

RESAMPLES = 2000
# 32 MiB of resampled values at once.
_CHUNK_ELEMENTS = 1 << 22


def user_means(
    values: np.ndarray | Sequence[Sequence[float]], users: Sequence[str] | np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Average over the seeds, then over the targets of each user.

    Args:
        values: A metric of each target with each seed; shape [S, R].
        users: User of each target; length R.

    Returns:
        The users in sorted order and the mean of each, both of length U.
    """
    known, number = np.unique(np.asarray(users), return_inverse=True)
    sums = np.bincount(number, weights=np.mean(values, axis=0), minlength=len(known))
    return known, sums / np.bincount(number, minlength=len(known))


def paired_t_test(ours: np.ndarray | Sequence[float], theirs: np.ndarray | Sequence[float]) -> float:
    """Test whether the mean difference of pairs is zero (Student's t, two-sided).

    Args:
        ours: Values of one model; shape [U].
        theirs: Values of the other for the same users; shape [U].

    Returns:
        The p-value; 1 where all differences are zero, or there is one pair only.
    """
    difference = np.subtract(ours, theirs)
    if len(difference) < 2 or not difference.any():
        return 1.0
    if np.ptp(difference) <= 1e-12 * np.abs(difference).max():
        return 0.0
    return float(stats.ttest_rel(ours, theirs).pvalue)


def relative_gain(ours: np.ndarray | Sequence[float], theirs: np.ndarray | Sequence[float]) -> float | None:
    """Return by which share the mean of ``ours`` is above that of ``theirs``; None where the latter is zero."""
    base = float(np.mean(theirs))
    return float(np.mean(ours)) / base - 1 if base else None


def gain_interval(
    ours: np.ndarray, theirs: np.ndarray, level: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[float, float] | None:
    """Compute a bootstrap interval of the relative gain. Users are drawn with replacement, and pairs stay pairs.

    Args:
        ours: Values of one model, none negative; shape [U].
        theirs: Values of the other for the same users; shape [U].
        level: Confidence level.
        resamples: Number of draws of U users.
        seed: Seed of the draws.

    Returns:
        Its ends (percentiles); None where the gain is not defined: for fewer than two users, or draws in which
        ``theirs`` is zero throughout.
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


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values for the number of comparisons (Holm, 1979), which controls the family-wise error rate.

    Args:
        p_values: One for each comparison.

    Returns:
        Adjusted values in the given order, each at most 1.
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
        ours: Mean over users of the one model.
        theirs: Mean over users of the other model.
        gain: The relative gain; None where ``theirs`` is 0.
        interval: Of the gain, 95 %; see :func:`gain_interval`.
        p_value: The p-value of :func:`paired_t_test`.
        users: Number of pairs.
    """

    ours: float
    theirs: float
    gain: float | None
    interval: tuple[float, float] | None
    p_value: float
    users: int


def compare(ours: tuple[np.ndarray, np.ndarray], theirs: tuple[np.ndarray, np.ndarray]) -> Comparison:
    """Compare two models on the users whom both were tested on.

    Args:
        ours: Users and their values for one model, as :func:`user_means` returns them.
        theirs: The same for the other.

    Returns:
        The comparison.

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
