"""Ranks and metrics against slow, obvious references."""

import numpy as np
import pytest
import torch

from recbole_idp.errors import UserError
from recbole_idp.evaluation.evaluator import Evaluation, Ranked, RankEvaluator
from recbole_idp.evaluation.ranking import ranks_from_scores
from recbole_idp.testing import configured


def slow_rank(scores, wanted):
    """Counts one by one: higher scores stand before, equal ones if their number is smaller; padding does not count."""
    own = scores[wanted]
    better = sum(score > own for score in scores[1:])
    return 1 + better + sum(scores[item] == own for item in range(1, wanted))


@pytest.mark.parametrize("levels", [3, 10, 10**6])
def test_ranks_agree_with_counting_one_by_one(levels):
    draw = np.random.default_rng(levels)
    scores = draw.integers(0, levels, (60, 40)).astype(np.float32)
    wanted = draw.integers(1, 40, 60)
    expected = [slow_rank(row, item) for row, item in zip(scores, wanted, strict=True)]
    assert ranks_from_scores(torch.from_numpy(scores.copy()), torch.from_numpy(wanted)).tolist() == expected


def test_the_padding_item_never_counts():
    scores = torch.tensor([[9.0, 1.0, 0.5]])
    assert ranks_from_scores(scores, torch.tensor([1])).tolist() == [1]


def test_scores_that_are_no_numbers_are_an_error():
    with pytest.raises(UserError, match="NaN"):
        ranks_from_scores(torch.tensor([[0.0, float("nan"), 1.0]]), torch.tensor([1]))


def of_ranks(ranks):
    """An evaluation in which the ranks alone are known."""
    return Evaluation(Ranked(ranks, torch.zeros(0), torch.zeros(0, 0), torch.zeros(0), torch.zeros(0)), 0, None)


def test_metrics_agree_with_their_formulas(domains):
    changes = {"topk": [1, 3], "valid_metric": "NDCG@3", "metric_decimal_place": 8}
    config = configured(domains, "IDP", **changes)
    ranks = torch.tensor([1, 2, 3, 4, 100])
    result = RankEvaluator(config).evaluate(of_ranks(ranks))
    assert result["hit@1"] == pytest.approx(1 / 5)
    assert result["hit@3"] == pytest.approx(3 / 5)
    assert result["ndcg@3"] == pytest.approx((1 + 1 / np.log2(3) + 1 / 2) / 5)
    assert result["mrr@3"] == pytest.approx((1 + 1 / 2 + 1 / 3) / 5)
    assert result["mrr"] == pytest.approx((1 + 1 / 2 + 1 / 3 + 1 / 4 + 1 / 100) / 5)


def slow_metrics(scores, wanted, k):
    """Sorts the candidates of a row and reads the metrics off the list; equal scores stand in the items' order."""
    shown = sorted((item for item in range(1, len(scores)) if scores[item] > -np.inf), key=lambda i: (-scores[i], i))
    place = shown.index(wanted) + 1
    hit = wanted in shown[:k]
    return {
        f"hit@{k}": float(hit),
        f"recall@{k}": float(hit),
        f"precision@{k}": hit / k,
        f"ndcg@{k}": 1 / np.log2(place + 1) if hit else 0.0,
        f"mrr@{k}": 1 / place if hit else 0.0,
        f"map@{k}": 1 / place if hit else 0.0,
        "mrr": 1 / place,
    }


@pytest.mark.parametrize("n_items", [2, 3, 6, 40])
@pytest.mark.parametrize("levels", [1, 3, 10**6])
def test_metrics_agree_with_sorted_lists(domains, n_items, levels):
    # The last cut-off is beyond most of these catalogues.
    changes = {"topk": [1, 3, 20], "valid_metric": "NDCG@3", "metric_decimal_place": 10}
    changes["metrics"] = ["Hit", "NDCG", "MRR", "Recall", "Precision", "MAP"]
    config = configured(domains, "IDP", **changes)
    draw = np.random.default_rng([n_items, levels])
    scores = draw.integers(0, levels, (50, n_items)).astype(np.float32)
    wanted = draw.integers(1, n_items, 50)
    # Each user has candidates of their own; the first ten have one, the right item.
    scores[draw.random(scores.shape) < 0.4] = -np.inf
    scores[:10] = -np.inf
    scores[np.arange(50), wanted] = draw.integers(0, levels, 50)
    ranks = ranks_from_scores(torch.from_numpy(scores.copy()), torch.from_numpy(wanted))
    result = RankEvaluator(config).evaluate(of_ranks(ranks))
    rows = [
        {name: value for k in changes["topk"] for name, value in slow_metrics(row, item, k).items()}
        for row, item in zip(scores, wanted, strict=True)
    ]
    expected = {name: np.mean([row[name] for row in rows]) for name in rows[0]}
    assert result == pytest.approx(expected, abs=1e-9)


def prepared(domains, metrics):
    """Returns configuration, loaders and a model with random weights on the toy target."""
    from recbole.data import create_dataset, data_preparation

    from recbole_idp.models.idp.model import IDP

    changes = {"metrics": metrics, "metric_decimal_place": 8, "valid_metric": f"{metrics[0]}@5"}
    config = configured(domains, "IDP", **changes)
    loaders = data_preparation(config, create_dataset(config))
    torch.manual_seed(0)
    return config, loaders, IDP(config, loaders[0].dataset)


def test_streaming_evaluation_gives_recboles_values(domains):
    from recbole.trainer import Trainer

    from recbole_idp.train.trainer import SequenceTrainer

    config, (_, valid, test), model = prepared(domains, ["Hit", "NDCG", "MRR", "Recall", "Precision", "MAP"])
    for loader in (valid, test):
        ours = SequenceTrainer(config, model).evaluate(loader, load_best_model=False)
        theirs = Trainer(config, model).evaluate(loader, load_best_model=False)
        for name, value in theirs.items():
            assert ours[name] == pytest.approx(value, abs=1e-7), name


@pytest.mark.parametrize("mode", ["uni5", "pop3"])
def test_drawn_candidates_give_recboles_metrics(domains, mode):
    from recbole.data import create_dataset, data_preparation
    from recbole.trainer import Trainer

    from recbole_idp.evaluation.candidates import drawing
    from recbole_idp.models.idp.model import IDP
    from recbole_idp.train.trainer import SequenceTrainer

    changes = {"eval_args": {"mode": mode}, "topk": [1, 3], "valid_metric": "NDCG@3"}
    config = configured(domains, "IDP", **changes)
    train, _, test = data_preparation(config, create_dataset(config))
    torch.manual_seed(3)
    trainer = SequenceTrainer(config, IDP(config, train.dataset))
    trainer.eval_collector.data_collect(train)
    ours = trainer.evaluate(test, load_best_model=False)
    with drawing(config["train_users_seed"]):
        theirs = Trainer.evaluate(trainer, test, load_best_model=False)
    assert {name: ours[name] for name in theirs} == pytest.approx(dict(theirs), abs=1e-4)
    assert 0 < theirs["ndcg@3"] < 1
    assert trainer.ranks.max() <= int(mode[3:]) + 1 and len(trainer.ranks) == len(test.dataset)
    assert trainer.evaluate(test, load_best_model=False) == ours
