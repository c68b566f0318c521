"""Questions of concurrent requests are ranked together, and answered each for itself."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from recbole_idp.web import batches
from recbole_idp.web.batches import Batches, BusyError


class Ranking:
    """Recommends the sum of a history and the numbers after it, and notes what was asked together."""

    def __init__(self):
        self.asked = []

    def __call__(self, histories, k, exclude_seen):
        self.asked.append((len(histories), k, exclude_seen))
        items = np.array([[sum(history) + place for place in range(k)] for history in histories])
        if any(99 in history for history in histories):
            raise ValueError("ninety-nine")
        return items, -items.astype(np.float32)


@pytest.fixture
def thread():
    with ThreadPoolExecutor(1) as executor:
        yield executor


def together(ranking, thread, *questions):
    """Asks questions at the same time; returns answers and errors."""

    async def ask():
        gathering = Batches(ranking, thread)
        return await asyncio.gather(*(gathering.ask(*question) for question in questions), return_exceptions=True)

    return asyncio.run(ask())


def test_questions_at_the_same_time_are_one_batch(thread):
    ranking = Ranking()
    found = together(ranking, thread, ([1], 2, True), ([2, 3], 1, True), ([7], 3, False))
    assert found == [[(1, -1.0), (2, -2.0)], [(5, -5.0)], [(7, -7.0), (8, -8.0), (9, -9.0)]]
    assert ranking.asked == [(2, 2, True), (1, 3, False)]


def test_places_without_an_item_are_left_out(thread):
    found = together(lambda *_: (np.array([[4, 0]]), np.array([[1.0, -np.inf]])), thread, ([1], 2, True))
    assert found == [[(4, 1.0)]]


def test_an_error_reaches_those_who_asked_and_later_ones_are_answered(thread):
    async def ask():
        gathering = Batches(Ranking(), thread)
        with pytest.raises(ValueError, match="ninety-nine"):
            await gathering.ask([99], 1, True)
        return await gathering.ask([4], 1, True)

    assert asyncio.run(ask()) == [(4, -4.0)]


def test_questions_of_clients_that_have_gone_are_dropped(thread):
    ranking = Ranking()

    async def ask():
        gathering = Batches(ranking, thread, seconds=0.05)
        gone = asyncio.create_task(gathering.ask([1], 1, True))
        await asyncio.sleep(0)
        gone.cancel()
        return await gathering.ask([2], 1, True)

    assert asyncio.run(ask()) == [(2, -2.0)]
    assert ranking.asked == [(1, 1, True)]


def test_more_questions_than_can_wait_are_refused(thread, monkeypatch):
    monkeypatch.setattr(batches, "MOST_WAITING", 3)
    found = together(Ranking(), thread, *([([1], 1, True)] * 5))
    assert found[:3] == [[(1, -1.0)]] * 3
    assert all(isinstance(error, BusyError) for error in found[3:])
