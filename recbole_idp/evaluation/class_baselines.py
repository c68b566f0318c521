"""What a predicted class is compared with: the majority class, and logistic regression on bags of items."""

from __future__ import annotations

import time
import warnings
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from scipy.sparse import csr_matrix
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from recbole_idp.evaluation.evaluator import Evaluation
from recbole_idp.evaluation.metrics import goodness

if TYPE_CHECKING:
    from recbole_idp.data.sequences import Targets
    from recbole_idp.evaluation.evaluator import RankEvaluator

STRENGTHS = (0.01, 0.1, 1.0, 10.0)
"""Values of C that are tried, from strong regularisation to weak."""

_MULTIPLICATIONS = 2e10
_FEWEST_STEPS, _MOST_STEPS = 20, 500


class ClassData(NamedTuple):
    """Users and their classes in the parts for training, validation and test.

    Attributes:
        train: The users that are learned from: histories and classes.
        valid: Those that the strength is chosen on; may be none.
        test: Those that are tested.
        n_classes: Number of classes C, without padding.
        n_inputs: Number of items in histories, candidates included.
    """

    train: Targets
    valid: Targets
    test: Targets
    n_classes: int
    n_inputs: int


class ClassBaseline(NamedTuple):
    """A baseline's results. R test users.

    Attributes:
        test: Metrics of the test users.
        valid: Metrics of the validation users; empty where there are none.
        ranks: Rank of each test user's class; int64, shape [R].
        seconds: Time that it took.
        strength: The chosen C; None where none is chosen.
        converged: Whether the training of the chosen one came to its end within the steps that it was given.
    """

    test: dict[str, float]
    valid: dict[str, float]
    ranks: np.ndarray
    seconds: float
    strength: float | None = None
    converged: bool = True


def majority_class(data: ClassData, evaluator: RankEvaluator) -> ClassBaseline:
    """Rank the classes by their number of training users, for all users alike; of equal ones the first is first.

    Args:
        data: Users and classes.
        evaluator: Computes the metrics.
    """
    began = time.perf_counter()
    scores = [_majority(data, len(part)) for part in (data.valid, data.test)]
    return _measured(data, evaluator, scores, began)


def logistic_regression(data: ClassData, evaluator: RankEvaluator, watched: str) -> ClassBaseline:
    """Predict classes by multinomial logistic regression on how often each item is in the history.

    All events of the history count. The strength is the best of :data:`STRENGTHS` on the validation users, of equal
    ones the smallest; without validation users it is 1. The steps of each training are bounded by its size.

    Args:
        data: Users and classes.
        evaluator: Computes the metrics.
        watched: The metric by which the strength is chosen.
    """
    began = time.perf_counter()
    classes = data.train.items.numpy()
    if len(np.unique(classes)) < 2:
        # Training users of one class alone tell nothing of the others.
        return _measured(data, evaluator, [_majority(data, len(part)) for part in (data.valid, data.test)], began)
    first = data.n_classes + 1
    train, valid, test = (bags(part, first, data.n_inputs) for part in (data.train, data.valid, data.test))
    model = LogisticRegression(max_iter=_steps(train.nnz, data.n_classes), warm_start=True)
    found: list[ClassBaseline] = []
    for strength in STRENGTHS if len(data.valid) else (1.0,):
        model.set_params(C=strength)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model.fit(train, classes)
        converged = not any(issubclass(one.category, ConvergenceWarning) for one in caught)
        scores = [_scores(model, part, data.n_classes) for part in (valid, test)]
        found.append(_measured(data, evaluator, scores, began)._replace(strength=strength, converged=converged))
    key = watched.lower()
    best = max(found, key=lambda one: goodness(key, one.valid.get(key, 0.0)))
    return best._replace(seconds=found[-1].seconds)


def bags(targets: Targets, first: int, n_inputs: int) -> csr_matrix:
    """Count how often each item is in each history.

    Args:
        targets: The R rows.
        first: Number of the first item that is counted; those before are classes.
        n_inputs: Number of items in histories, classes included.

    Returns:
        float64, shape [R, n_inputs - first].
    """
    starts, lengths = targets.starts.numpy(), (targets.ends - targets.starts).numpy()
    rows = np.repeat(np.arange(len(lengths)), lengths)
    places = np.arange(lengths.sum()) + np.repeat(starts - np.r_[0, np.cumsum(lengths)[:-1]], lengths)
    items = targets.sequences.items.numpy()[places] - first
    return csr_matrix((np.ones(len(items)), (rows, items)), shape=(len(lengths), n_inputs - first))


def _steps(entries: int, n_classes: int) -> int:
    """Return how many steps a training may take: each passes over all entries a few times for each class."""
    return int(np.clip(_MULTIPLICATIONS / max(4 * entries * n_classes, 1), _FEWEST_STEPS, _MOST_STEPS))


def _scores(model: LogisticRegression, part: csr_matrix, n_classes: int) -> torch.Tensor:
    """Return the scores of all classes; those that training has not seen come last; shape [R, C + 1]."""
    scores = np.zeros((part.shape[0], n_classes + 1))
    if part.shape[0]:
        found = model.decision_function(part)
        found = np.stack([-found, found], axis=1) if found.ndim == 1 else found
        scores[:] = found.min(axis=1, keepdims=True) - 1
        scores[:, model.classes_] = found
    return torch.from_numpy(scores)


def _majority(data: ClassData, n_users: int) -> torch.Tensor:
    """Return the same scores of all classes for each user; shape [R, C + 1]."""
    counts = np.bincount(data.train.items.numpy(), minlength=data.n_classes + 1)
    scores = np.zeros(data.n_classes + 1)
    scores[1 + np.argsort(-counts[1:], kind="stable")] = np.arange(data.n_classes, 0, -1)
    return torch.from_numpy(np.tile(scores, (n_users, 1)))


def _measured(data: ClassData, evaluator: RankEvaluator, scores: list[torch.Tensor], began: float) -> ClassBaseline:
    """Return the metrics of scores of the validation and of the test users."""
    counts = np.bincount(data.train.items.numpy(), minlength=data.n_classes + 1)
    measured: list[dict[str, float]] = []
    ranks: list[np.ndarray] = []
    for part, of_part in zip((data.valid, data.test), scores, strict=True):
        if not len(part):
            measured.append({})
            continue
        ranked = evaluator.rank(of_part.clone(), part.items)
        measured.append(dict(evaluator.evaluate(Evaluation(ranked, data.n_classes + 1, counts))))
        ranks.append(ranked.ranks.numpy())
    return ClassBaseline(measured[1], measured[0], ranks[-1], time.perf_counter() - began)
