"""What RecTools is trained on and asked is what ours is: the same events, in the same order."""

import numpy as np
import pytest
import torch

from recbole_idp.benchmark.beside.data import Questions, ndcg, questions, training_events
from recbole_idp.benchmark.sides import Side
from recbole_idp.config.strict import StrictConfig
from recbole_idp.testing.toy import settings


@pytest.fixture
def side(domains):
    return Side.read(StrictConfig("PositionSASRec", "shop", config_dict={**settings(domains), "topk": [5]}))


def test_training_events_are_those_of_our_targets(side):
    events, targets = training_events(side), side.loaders[0].dataset.targets()
    # Each user's first event is input alone.
    assert len(events) - events["user_id"].nunique() == len(targets)
    firsts = events.groupby("user_id").cumcount() == 0
    assert np.array_equal(np.sort(events["item_id"][~firsts]), np.sort(targets.items.numpy()))
    assert events.groupby("user_id")["datetime"].is_monotonic_increasing.all()


def test_questions_are_our_test(side):
    asked = questions(side, 3)
    targets = side.loaders[2].dataset.targets()
    assert torch.equal(asked.targets, targets.items) and asked.histories.shape[1] == 3
    events = asked.events()
    for user in range(len(targets)):
        own = events[events["user_id"] == user].sort_values("datetime")["item_id"].tolist()
        start, end = int(targets.starts[user]), int(targets.ends[user])
        assert own == targets.sequences.items[max(start, end - 3) : end].tolist()


def test_histories_are_padded_on_the_left():
    asked = Questions(torch.tensor([[5, 6, 7], [8, 0, 0]]), torch.tensor([3, 1]), torch.tensor([1, 1]))
    assert asked.padded_left().tolist() == [[5, 6, 7], [0, 0, 8]]


def test_ndcg_is_that_of_the_place():
    best = np.array([[4, 5, 6], [4, 5, 6], [4, 5, 6]])
    assert ndcg(best, np.array([4, 6, 9])) == pytest.approx((1 + 0.5 + 0) / 3)
