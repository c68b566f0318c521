"""Baselines of predicted classes: what they count, choose and say, with answers that are known."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score, roc_auc_score

from recbole_idp.data.sequences import Sequences, Targets
from recbole_idp.evaluation import class_baselines
from recbole_idp.evaluation.class_baselines import ClassData, bags, logistic_regression, majority_class
from recbole_idp.evaluation.evaluator import RankEvaluator

METRICS = ["Accuracy", "MacroF1", "BinaryAUC"]
N_ITEMS = 6


def evaluator(metrics=METRICS):
    keys = {"metrics": metrics, "topk": [1], "valid_metric": "Accuracy", "metric_decimal_place": 6, "tail_ratio": None}
    return RankEvaluator(keys)


def part(rows, n_classes):
    """Rows of items from 0 and a class from 1, as a dataset of profiles has them."""
    items = [[item + n_classes + 1 for item in history] + [label] for history, label in rows]
    offsets = np.r_[0, np.cumsum([len(row) for row in items])].astype(np.int64)
    flat = torch.tensor([item for row in items for item in row], dtype=torch.long)
    sequences = Sequences(flat, torch.from_numpy(offsets))
    return Targets(sequences, sequences.offsets[:-1], sequences.offsets[1:] - 1)


def data(train, valid, test, n_classes=2):
    return ClassData(*(part(rows, n_classes) for rows in (train, valid, test)), n_classes, n_classes + 1 + N_ITEMS)


def drawn(seed, n_users, n_classes=2):
    """Users whose class their items tell with some errors."""
    draw = np.random.default_rng(seed)
    rows = []
    for _ in range(n_users):
        label = int(draw.integers(n_classes))
        history = draw.integers(0, N_ITEMS, int(draw.integers(1, 9))).tolist()
        rows.append((history + [label] * int(draw.integers(0, 3)), label + 1))
    return rows


def test_bags_count_each_item_of_the_whole_history():
    rows = [([0, 2, 2], 1), ([5], 2), ([1] * 70, 1)]
    found = bags(part(rows, 2), 3, 9).toarray()
    assert found.shape == (3, N_ITEMS)
    assert found.tolist() == [[1, 0, 2, 0, 0, 0], [0, 0, 0, 0, 0, 1], [0, 70, 0, 0, 0, 0]]
    # A part of the rows alone, as few-shot leaves it.
    whole = part(rows, 2)
    assert bags(Targets(whole.sequences, whole.starts[1:], whole.ends[1:]), 3, 9).toarray()[0, 5] == 1


def test_the_majority_class_is_predicted_for_everybody():
    train = [([0], 2), ([1], 2), ([2], 1), ([3], 3)]
    found = majority_class(data(train, [([0], 2)], [([0], 2), ([1], 1), ([1], 3), ([2], 2)], 3), evaluator())
    assert found.ranks.tolist() == [1, 2, 3, 1]
    assert found.test == {"accuracy": 0.5, "macrof1": pytest.approx(2 / 9, abs=1e-6)} and found.valid["accuracy"] == 1
    two = majority_class(data(train[:3], [], [([0], 2), ([1], 1)]), evaluator())
    assert two.test["binaryauc"] == 0.5 and two.valid == {}


@pytest.mark.parametrize("n_classes", [2, 3])
def test_the_regression_is_scikit_learns_with_the_strength_that_is_best_on_validation(n_classes):
    parts = [drawn(seed, size, n_classes) for seed, size in ((1, 200), (2, 60), (3, 80))]
    found = logistic_regression(data(*parts, n_classes), evaluator(), "Accuracy")
    features = [bags(part(rows, n_classes), n_classes + 1, n_classes + 1 + N_ITEMS) for rows in parts]
    labels = [[label for _, label in rows] for rows in parts]
    scores = {}
    for strength in class_baselines.STRENGTHS:
        model = LogisticRegression(C=strength, max_iter=500).fit(features[0], labels[0])
        scores[strength] = accuracy_score(labels[1], model.predict(features[1])), model
    best = max(scores, key=lambda strength: scores[strength][0])
    assert found.strength == best and found.converged
    model = scores[best][1]
    predicted = model.predict(features[2])
    assert found.valid["accuracy"] == pytest.approx(scores[best][0], abs=1e-6)
    assert found.test["accuracy"] == pytest.approx(accuracy_score(labels[2], predicted), abs=1e-6)
    assert found.test["macrof1"] == pytest.approx(f1_score(labels[2], predicted, average="macro"), abs=1e-6)
    assert ((found.ranks == 1) == (predicted == labels[2])).all()
    if n_classes == 2:
        area = roc_auc_score(np.array(labels[2]) == 2, model.decision_function(features[2]))
        assert found.test["binaryauc"] == pytest.approx(area, abs=1e-3)
    else:
        assert "binaryauc" not in found.test


def test_an_item_that_tells_the_class_is_found():
    rows = [([label, 5], label + 1) for label in (0, 1, 2)] * 10
    found = logistic_regression(data(rows, rows[:6], rows[:9], 3), evaluator(), "MacroF1")
    assert found.test == {"accuracy": 1, "macrof1": 1}


def test_classes_and_parts_without_users_are_no_obstacle():
    train = [([0], 1), ([1], 3), ([0], 1), ([1], 3), ([0], 1)]
    found = logistic_regression(data(train, [], [([0], 1), ([1], 2)], 3), evaluator(), "Accuracy")
    assert (found.strength, found.valid) == (1.0, {})
    # Nobody of class 2 was trained on: it ranks behind the others.
    assert found.ranks.tolist() == [1, 3]
    one = logistic_regression(data(train[:1], [], [([0], 1), ([1], 2)]), evaluator(), "Accuracy")
    assert one.strength is None and one.ranks.tolist() == [1, 2]


def test_a_training_that_is_cut_off_says_so(monkeypatch):
    parts = [drawn(seed, 60) for seed in (1, 2, 3)]
    monkeypatch.setattr(class_baselines, "_FEWEST_STEPS", 1)
    monkeypatch.setattr(class_baselines, "_MULTIPLICATIONS", 1)
    assert not logistic_regression(data(*parts), evaluator(), "Accuracy").converged
