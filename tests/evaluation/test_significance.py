"""Paired comparisons over users: against scipy, against slow and obvious loops, and where the answer is known."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from recbole_idp.config.strict import StrictConfig
from recbole_idp.errors import UserError
from recbole_idp.evaluation.evaluator import Evaluation, Ranked, RankEvaluator
from recbole_idp.evaluation.gains import gains
from recbole_idp.evaluation.significance import (
    compare,
    gain_interval,
    holm,
    paired_t_test,
    relative_gain,
    user_means,
)


def random_ranks(shape, seed=0, items=40):
    return np.random.default_rng(seed).integers(1, items, size=shape)


def slow_gain(rank, metric):
    """The definition, for one user whose right item stands at ``rank``."""
    name, _, cutoff = metric.partition("@")
    if cutoff and rank > int(cutoff):
        return 0.0
    values = {"NDCG": 1 / math.log2(rank + 1), "MRR": 1 / rank, "MAP": 1 / rank, "Hit": 1.0, "Recall": 1.0}
    return values[name] if name in values else 1 / int(cutoff)


@pytest.mark.parametrize(
    "metric", ["NDCG@10", "NDCG@1", "Hit@5", "MRR@20", "MRR", "MAP@3", "Recall@7", "Precision@4", "Hit@99999999999"]
)
def test_gains_agree_with_a_slow_loop_over_users(metric):
    ranks = random_ranks((3, 50))
    expected = [[slow_gain(int(rank), metric) for rank in row] for row in ranks]
    np.testing.assert_allclose(gains(ranks, metric), expected, rtol=1e-12)
    np.testing.assert_array_equal(gains(ranks, metric.lower()), gains(ranks, metric))


@pytest.mark.parametrize(
    "metric", ["NDCG", "GAUC", "ItemCoverage@5", "AUC", "NDCG@", "NDCG@0", "Hit@-1", "MRR@x", "", "Hit"]
)
def test_metrics_without_a_value_for_each_user_are_refused(metric):
    with pytest.raises(UserError, match="cannot be compared user by user") as caught:
        gains([1], metric)
    assert "\n" not in str(caught.value)


def test_means_of_gains_are_the_metrics_of_recbole():
    config = StrictConfig("IDP", "ml-100k", config_dict={"topk": [5, 10], "metric_decimal_place": 12})
    ranks = random_ranks(200)
    found = Evaluation(
        Ranked(torch.from_numpy(ranks), torch.zeros(0), torch.zeros(0, 0), torch.zeros(0), torch.zeros(0)), 0, None
    )
    expected = RankEvaluator(config).evaluate(found)
    for metric in ("Hit@5", "NDCG@10", "MRR@10", "MRR"):
        assert gains(ranks, metric).mean() == pytest.approx(expected[metric.lower()], abs=1e-9)


def test_user_means_agree_with_a_slow_loop_over_users_and_seeds():
    values, users = np.random.default_rng(1).random((3, 60)), [f"u{number % 7}" for number in range(60)]
    known, means = user_means(values, users)
    assert known.tolist() == sorted(set(users))
    for user, mean in zip(known, means, strict=True):
        own = [values[seed][row] for seed in range(3) for row in range(60) if users[row] == user]
        assert mean == pytest.approx(sum(own) / len(own))


def pairs(users=400, shift=0.02, seed=2):
    draw = np.random.default_rng(seed)
    theirs = gains(random_ranks(users, seed), "NDCG@10")
    return theirs + shift + draw.normal(0, 0.1, users), theirs


def test_the_t_test_agrees_with_its_formula_and_with_flipped_signs():
    ours, theirs = pairs()
    difference = ours - theirs
    t = difference.mean() / (difference.std(ddof=1) / math.sqrt(len(difference)))
    p = paired_t_test(ours, theirs)
    assert p == pytest.approx(2 * stats.t.sf(abs(t), len(difference) - 1))
    assert p == paired_t_test(theirs, ours)

    signs = np.random.default_rng(3).choice([-1, 1], size=(20_000, len(difference)))
    share = (np.abs((signs * difference).mean(1)) >= abs(difference.mean())).mean()
    assert 0 < p < 0.01 and share == pytest.approx(p, abs=0.002)


def test_nothing_to_tell_apart_is_chance():
    values = gains(random_ranks(30), "NDCG@10")
    assert paired_t_test(values, values) == 1
    assert paired_t_test([0.5], [0.1]) == 1
    assert paired_t_test([0.5, 0.6, 0.7], [0.25, 0.35, 0.45]) < 1e-6
    assert paired_t_test([0.5, 0.5], [0.25, 0.25]) == 0


def test_chance_alone_is_found_significant_as_often_as_the_level_says():
    found = sum(paired_t_test(*pairs(users=60, shift=0, seed=seed)) < 0.05 for seed in range(400))
    # 20 are expected, with a standard deviation of 4.4.
    assert 5 <= found <= 36


def test_the_interval_of_the_gain_agrees_with_a_slow_loop_over_draws():
    ours, theirs = pairs()
    gain, (low, high) = relative_gain(ours, theirs), gain_interval(ours, theirs)
    assert low < gain < high
    assert gain == pytest.approx(sum(ours) / sum(theirs) - 1)
    draw, drawn = np.random.default_rng(9), []
    for _ in range(4000):
        users = draw.integers(len(ours), size=len(ours))
        drawn.append(ours[users].sum() / theirs[users].sum() - 1)
    assert (low, high) == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.012)
    assert gain_interval(ours, theirs) == (low, high)
    narrow = gain_interval(ours, theirs, level=0.5)
    assert low < narrow[0] < gain < narrow[1] < high


def test_pairs_stay_pairs_in_the_interval():
    theirs = gains(random_ranks(300), "NDCG@10")
    assert gain_interval(theirs * 1.5, theirs) == pytest.approx((0.5, 0.5))


def test_there_is_no_gain_over_nothing():
    assert relative_gain([0.5, 0.5], [0, 0]) is None
    assert gain_interval([0.5, 0.5], [0, 0]) is None
    assert gain_interval([0.5], [0.5]) is None
    # Half of all draws of two users have nothing in the denominator.
    assert gain_interval([0.5, 0.5], [0, 0.5]) is None


def test_holm_multiplies_by_the_number_of_hypotheses_left():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.9]) == [1, 1]
    assert holm([0.02]) == [0.02]
    assert holm([]) == []


def test_holm_agrees_with_its_stepwise_definition():
    p_values, level = np.random.default_rng(4).random(30) ** 4, 0.05
    rejected = set()
    for place, number in enumerate(np.argsort(p_values)):
        if p_values[number] > level / (len(p_values) - place):
            break
        rejected.add(int(number))
    assert 0 < len(rejected) < 30
    assert {number for number, p in enumerate(holm(list(p_values))) if p <= level} == rejected


def test_compare_pairs_the_users_whom_both_have():
    ours = (np.array(["a", "b", "c", "d"]), np.array([0.2, 0.4, 0.6, 0.9]))
    theirs = (np.array(["b", "c", "e"]), np.array([0.1, 0.4, 1.0]))
    found = compare(ours, theirs)
    assert found.users == 2
    assert (found.ours, found.theirs) == pytest.approx((0.5, 0.25))
    assert found.gain == pytest.approx(1)
    assert found.p_value == pytest.approx(stats.ttest_rel([0.4, 0.6], [0.1, 0.4]).pvalue)
    with pytest.raises(UserError, match="no test user in common"):
        compare(ours, (np.array(["x"]), np.array([1.0])))
