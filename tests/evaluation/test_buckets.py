"""Metrics of parts of the test."""

import pytest

from recbole_idp.evaluation.buckets import SEEN, UNSEEN, bucket_metrics, joined_metrics, novelty_metrics

BEGINS = {"popularity": [1, 5], "history": [1, 2, 3, 10]}


def test_each_target_counts_in_its_bucket():
    found = bucket_metrics(
        [1, 2, 30, 4], popularity=[0, 1, 4, 5], history=[1, 2, 2, 50], begins=BEGINS, watched="Recall@5"
    )
    popularity = [(bucket["label"], bucket["users"], bucket["metrics"]["hit@10"]) for bucket in found["popularity"]]
    # The first target has fewer training interactions than the first bucket asks for.
    assert popularity == [("1 to 4", 2, 0.5), ("5 and more", 1, 1.0)]
    history = [(bucket["label"], bucket["users"]) for bucket in found["history"]]
    assert history == [("1", 1), ("2", 2), ("10 and more", 1)]
    assert found["history"][1]["metrics"]["mrr"] == pytest.approx((1 / 2 + 1 / 30) / 2, abs=1e-6)


def test_targets_that_training_has_not_seen_count_apart():
    found = novelty_metrics([1, 2, 30, 4], users_seen=[True, True, False, False], items_seen=[True] * 4)
    assert list(found) == ["user_novelty"]
    groups = [(group["label"], group["users"], group["metrics"]["hit@10"]) for group in found["user_novelty"]]
    assert groups == [("seen in training", 2, 1.0), ("not seen in training", 2, 0.5)]
    found = novelty_metrics([1, 20], users_seen=[False, False], items_seen=[False, True])
    assert [[group["label"] for group in groups] for groups in found.values()] == [[UNSEEN], [SEEN, UNSEEN]]
    assert novelty_metrics([3, 4], [True, True], [True, True]) == {}


def test_joined_users_count_apart_and_by_the_length_of_their_own_history():
    found = joined_metrics([1, 20, 1, 4, 11], [True, True, False, True, True], [1, 3, 3, 12, 0], begins=[1, 4, 9])
    groups = [(group["label"], group["users"], group["metrics"]["hit@10"]) for group in found["joined"]]
    assert groups == [("joined", 4, 0.5), ("not joined", 1, 1.0)]
    # Nobody has 4 to 8 events; who has none is in no bucket, nor is who is not joined.
    history = [(group["label"], group["users"], group["metrics"]["hit@10"]) for group in found["joined_history"]]
    assert history == [("1 to 3", 2, 0.5), ("9 and more", 1, 1.0)]
    found = joined_metrics([1, 2], [True, True], [0, 0], begins=[1], names=["Accuracy"])
    assert found == {"joined": [{"label": "joined", "users": 2, "metrics": {"accuracy": 0.5}}]}
    assert [group["label"] for group in joined_metrics([1], [False], [3], begins=[1])["joined"]] == ["not joined"]
