"""Metrics of parts of the test."""

import pytest

from recbole_idp.evaluation.buckets import bucket_metrics

BEGINS = {"popularity_buckets": [1, 5], "history_buckets": [1, 2, 3, 10], "valid_metric": "Recall@5"}


def test_each_target_counts_in_its_bucket():
    found = bucket_metrics([1, 2, 30, 4], popularity=[0, 1, 4, 5], history=[1, 2, 2, 50], config=BEGINS)
    popularity = [(bucket["label"], bucket["users"], bucket["metrics"]["hit@10"]) for bucket in found["popularity"]]
    # The first target has fewer training interactions than the first bucket asks for.
    assert popularity == [("1 to 4", 2, 0.5), ("5 and more", 1, 1.0)]
    history = [(bucket["label"], bucket["users"]) for bucket in found["history"]]
    assert history == [("1", 1), ("2", 2), ("10 and more", 1)]
    assert found["history"][1]["metrics"]["mrr"] == pytest.approx((1 / 2 + 1 / 30) / 2, abs=1e-6)
