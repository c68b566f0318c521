"""Each client has a rate, and bursts."""

import pytest

from recbole_idp.web import limits
from recbole_idp.web.limits import TokenBuckets


def test_a_bucket_allows_a_burst_and_then_the_rate():
    buckets = TokenBuckets(10)
    assert [buckets.wait("a", 0.0) for _ in range(20)] == [0.0] * 20
    assert buckets.wait("a", 0.0) == pytest.approx(0.1)
    assert buckets.wait("b", 0.0) == 0.0
    assert buckets.wait("a", 0.1) == 0.0
    assert buckets.wait("a", 0.1) > 0
    assert [buckets.wait("a", 100.0) for _ in range(20)] == [0.0] * 20
    assert buckets.wait("a", 100.0) > 0


def test_a_rate_below_one_lets_single_requests_pass():
    buckets = TokenBuckets(0.1)
    assert buckets.wait("a", 0.0) == 0.0
    assert buckets.wait("a", 0.0) == pytest.approx(10)
    assert buckets.wait("a", 10.0) == 0.0


def test_no_rate_is_no_limit():
    buckets = TokenBuckets(0)
    assert [buckets.wait("a", 0.0) for _ in range(1000)] == [0.0] * 1000


def test_many_clients_do_not_fill_the_memory(monkeypatch):
    monkeypatch.setattr(limits, "_MOST_CLIENTS", 10)
    buckets = TokenBuckets(1)
    for number in range(1000):
        buckets.wait(str(number), 0.0)
    assert len(buckets._buckets) == 10
