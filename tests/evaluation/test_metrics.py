"""Every metric of RecBole's evaluator against a second implementation: scikit-learn, RecBole's class, plain loops."""

import math
from collections import Counter

import numpy as np
import pytest
import torch
from recbole.evaluator import metrics_dict
from recbole.evaluator.collector import DataStruct
from sklearn.metrics import ndcg_score, roc_auc_score

from recbole_idp.errors import UserError
from recbole_idp.evaluation.evaluator import Evaluation, RankEvaluator
from recbole_idp.evaluation.metrics import METRICS, Basis, why_no_test
from recbole_idp.evaluation.ranking import lists_from_scores

RANKING = [metric.name for metric in METRICS.values() if metric.basis not in (Basis.LABELS, Basis.CLASSES)]
TOPK = [1, 3, 20]
ITEMS = 12


def settings(**changes):
    """The keys that an evaluator reads."""
    given = {"metrics": RANKING, "topk": TOPK, "valid_metric": "NDCG@3", "metric_decimal_place": 12, "tail_ratio": None}
    return {**given, **changes}


def drawn(levels, excluded, seed=0, rows=40, items=ITEMS):
    """Scores in a few levels, of which a share is -inf, and a wanted item for each row; column 0 is padding."""
    draw = np.random.default_rng([levels, seed])
    scores = draw.integers(0, levels, (rows, items)).astype(np.float32)
    scores[draw.random(scores.shape) < excluded] = -np.inf
    scores[:, 0] = -np.inf
    return scores, draw.integers(1, items, rows), np.r_[0, draw.integers(0, 9, items - 1)]


def evaluated(scores, wanted, counts, **changes):
    evaluator = RankEvaluator(settings(**changes))
    found = evaluator.rank(torch.from_numpy(scores.copy()), torch.from_numpy(wanted))
    return evaluator.evaluate(Evaluation(found, scores.shape[1], counts))


def slow_list(row, k):
    """The list of a row: candidates by score, equal ones by number, no more than there are."""
    return sorted((item for item in range(1, len(row)) if row[item] > -np.inf), key=lambda i: (-row[i], i))[:k]


def slow_area(row, item):
    """The share of pairs with another candidate that are in order; equal scores are half in order."""
    others = [other for other in range(1, len(row)) if other != item and row[other] > -np.inf]
    if row[item] == -np.inf:
        return 0.0
    return sum(1.0 if row[o] < row[item] else 0.5 if row[o] == row[item] else 0.0 for o in others) / len(others)


def slow_metrics(scores, wanted, counts, k, tail):
    """All metrics at one cut-off, as their definitions say."""
    lists = [slow_list(row, k) for row in scores]
    places = [shown.index(item) + 1 if item in shown else None for shown, item in zip(lists, wanted, strict=True)]
    frequency = Counter(item for shown in lists for item in shown)
    total, n_items = sum(frequency.values()), scores.shape[1]
    ordered = sorted(frequency.get(item, 0) for item in range(n_items))

    def mean(values):
        values = list(values)
        return sum(values) / len(values)

    def in_lists(value):
        return mean(sum(map(value, shown)) / len(shown) if shown else 0.0 for shown in lists)

    return {
        "hit": mean(place is not None for place in places),
        "recall": mean(place is not None for place in places),
        "precision": mean((place is not None) / k for place in places),
        "mrr": mean(1 / place if place else 0.0 for place in places),
        "map": mean(1 / place if place else 0.0 for place in places),
        "ndcg": mean(1 / math.log2(place + 1) if place else 0.0 for place in places),
        "itemcoverage": len(frequency) / n_items,
        "averagepopularity": in_lists(lambda item: counts[item]),
        "tailpercentage": in_lists(lambda item: item in tail),
        "shannonentropy": -sum(n / total * math.log(n / total) for n in frequency.values()) / len(frequency),
        "giniindex": sum((2 * place - n_items - 1) * n for place, n in enumerate(ordered, 1)) / (n_items * total),
    }


@pytest.mark.parametrize("excluded", [0.0, 0.5, 0.8])
@pytest.mark.parametrize("levels", [1, 3, 10**6])
def test_every_metric_agrees_with_plain_loops_with_ties_and_short_lists(levels, excluded):
    scores, wanted, counts = drawn(levels, excluded)
    # A target beside which there is no other candidate has no area; here each has one.
    scores[:, -2:] = np.where(np.isinf(scores[:, -2:]), 0, scores[:, -2:])
    trained = sorted((item for item in range(ITEMS) if counts[item]), key=lambda item: (counts[item], item))
    found = evaluated(scores, wanted, counts)
    for k in TOPK:
        for name, value in slow_metrics(scores, wanted, counts, k, set(trained[:1])).items():
            assert found[f"{name}@{k}"] == pytest.approx(value, abs=1e-9), (name, k)
    areas = [slow_area(row, item) for row, item in zip(scores, wanted, strict=True)]
    assert found["gauc"] == pytest.approx(np.mean(areas))
    assert list(found) == [
        f"{n.lower()}@{k}" if METRICS[n.lower()].cut else n.lower()
        for n in RANKING
        for k in (TOPK if METRICS[n.lower()].cut else [0])
    ] + ["mrr"]
    assert all(type(value) is float for value in found.values())


@pytest.mark.parametrize(("ratio", "tail"), [(0.5, {2, 3}), (1, {1, 2, 3, 4}), (3, {2, 3}), (4.5, {1, 2, 3}), (0, {2})])
def test_the_tail_is_recboles(ratio, tail):
    counts = np.array([0, 4, 1, 3, 7, 0])
    scores = np.arange(6, dtype=np.float32)[None] * np.ones((3, 1), dtype=np.float32)
    found = evaluated(scores, np.array([1, 2, 3]), counts, tail_ratio=ratio)
    assert found["tailpercentage@3"] == pytest.approx(len(tail & {5, 4, 3}) / 3)
    assert found["tailpercentage@20"] == pytest.approx(len(tail) / 5)


def recboles(name, scores, wanted, counts, topk):
    """The value of RecBole's own class on full lists without ties."""
    order = np.argsort(-scores[:, 1:], axis=1) + 1
    struct = DataStruct()
    hits = order[:, : max(topk)] == wanted[:, None]
    places = (order == wanted[:, None]).argmax(1) + 1
    struct.set("rec.topk", torch.from_numpy(np.c_[hits, np.ones(len(hits))].astype(int)))
    struct.set("rec.items", torch.from_numpy(order[:, : max(topk)]))
    struct.set("rec.meanrank", torch.from_numpy(np.c_[places, np.full(len(hits), order.shape[1]), np.ones(len(hits))]))
    struct.set("data.num_items", scores.shape[1])
    struct.set("data.count_items", Counter({item: int(n) for item, n in enumerate(counts) if n}))
    return metrics_dict[name](settings(topk=topk)).calculate_metric(struct)


@pytest.mark.parametrize("name", [name.lower() for name in RANKING if name.lower() in metrics_dict])
def test_every_metric_agrees_with_recboles_class(name):
    from recbole_idp.config.strict import StrictConfig

    # RecBole's Config restores the names of NumPy that its metrics read.
    StrictConfig("PositionSASRec", "ml-100k")
    draw = np.random.default_rng(1)
    scores = draw.permuted(np.tile(np.arange(30, dtype=np.float32), (50, 1)), axis=1)
    scores[:, 0] = -np.inf
    wanted, counts = draw.integers(1, 30, 50), np.r_[0, draw.integers(0, 9, 29)]
    found = evaluated(scores, wanted, counts, topk=[1, 4, 10])
    for key, value in recboles(name, scores, wanted, counts, [1, 4, 10]).items():
        assert found[key] == pytest.approx(float(value), abs=1e-9), key


def test_ndcg_and_areas_agree_with_scikit_learn():
    scores, wanted, counts = drawn(10**6, 0)
    relevant = np.zeros((len(scores), ITEMS - 1))
    relevant[np.arange(len(scores)), wanted - 1] = 1
    found = evaluated(scores, wanted, counts)
    for k in (3, 20):
        assert found[f"ndcg@{k}"] == pytest.approx(ndcg_score(relevant, scores[:, 1:], k=k), abs=1e-9)
    tied, wanted, counts = drawn(3, 0)
    relevant[:] = 0
    relevant[np.arange(len(scores)), wanted - 1] = 1
    areas = [roc_auc_score(of, row) for of, row in zip(relevant, tied[:, 1:], strict=True)]
    assert evaluated(tied, wanted, counts)["gauc"] == pytest.approx(np.mean(areas), abs=1e-9)


@pytest.mark.parametrize("levels", [1, 2, 5, 10**6])
def test_lists_hold_the_smaller_number_of_equal_scores_first(levels):
    scores, _, _ = drawn(levels, 0.6)
    for k in (1, 4, 11, 500):
        found = lists_from_scores(torch.from_numpy(scores), k)
        assert found.shape == (len(scores), min(k, ITEMS - 1))
        for row, items in zip(scores, found.tolist(), strict=True):
            shown = slow_list(row, k)
            assert items == shown + [0] * (len(items) - len(shown))


def test_a_target_that_is_no_candidate_is_no_hit_at_any_cut_off():
    scores = np.array([[-np.inf, 1, -np.inf, 2]], dtype=np.float32)
    found = evaluated(scores, np.array([2]), np.ones(4, dtype=int), topk=[1, 3, 10**9])
    assert found["hit@1000000000"] == found["mrr"] == found["gauc"] == 0


def test_the_watched_metric_is_measured_in_any_case():
    scores, wanted, counts = drawn(5, 0)
    found = evaluated(scores, wanted, counts, metrics=["Hit"], topk=[2], valid_metric="GiniIndex@7")
    assert list(found) == ["hit@2", "giniindex@7"]


def test_a_metric_without_a_value_is_said_in_one_line():
    scores = np.array([[-np.inf, 1, -np.inf]], dtype=np.float32)
    with pytest.raises(UserError, match="GAUC has no value"):
        evaluated(scores, np.array([1]), np.ones(3, dtype=int))


@pytest.mark.parametrize("metric", METRICS.values(), ids=lambda metric: metric.name)
def test_a_metric_is_tested_over_users_or_the_reason_is_told(metric):
    why = why_no_test(f"{metric.name}@5" if metric.cut else metric.name)
    assert (why is None) == (metric.basis is Basis.RANKS)
    assert why is None or (metric.name in why and "\n" not in why)
