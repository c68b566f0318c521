"""Metrics of predicted classes of users, by scikit-learn."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from sklearn.metrics import f1_score, roc_auc_score


def _macro_f1(actual: np.ndarray, predicted: np.ndarray, margins: np.ndarray) -> float:
    """Average the F1 of all classes that occur or are predicted."""
    return float(f1_score(actual, predicted, average="macro", zero_division=0))


def _binary_auc(actual: np.ndarray, predicted: np.ndarray, margins: np.ndarray) -> float:
    """Compute the area under the ROC curve of the second of two classes; 0.5 where all users are of one class."""
    return float(roc_auc_score(actual == 2, margins)) if len(np.unique(actual)) == 2 else 0.5


CLASS_METRICS: dict[str, Callable[[np.ndarray, np.ndarray, np.ndarray], float]] = {
    "MacroF1": _macro_f1,
    "BinaryAUC": _binary_auc,
}
"""By the actual and the predicted class of each user, from 1, and the scores of class 2 above class 1; shape [R]."""
