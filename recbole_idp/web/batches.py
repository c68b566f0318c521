"""Gather the questions of concurrent requests into batches of the model."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import NamedTuple, TypeAlias

import numpy as np

from recbole_idp.web.limits import MOST_WAITING

Rank: TypeAlias = Callable[[Sequence[list[int]], int, bool], tuple[np.ndarray, np.ndarray]]
"""How a recommender ranks: histories, k, whether to exclude what was seen -> items and scores, shape [B, k'] each."""

Ranked: TypeAlias = list[tuple[int, float]]
"""Numbers of items and their scores, the best first."""

_TOGETHER = 256


class BusyError(Exception):
    """More questions wait than can be answered soon."""


class _Question(NamedTuple):
    history: list[int]
    k: int
    exclude_seen: bool
    answer: asyncio.Future[Ranked]


class Batches:
    """Ranks for many who ask at the same time.

    The first question waits for others for some milliseconds. While a batch is computed, in a thread, the next ones
    gather. An answer does not depend on the others of its batch, but for the last digits of scores.

    Args:
        rank: See :data:`Rank`.
        thread: Where it is called, one batch at a time.
        seconds: How long the first question waits.
    """

    def __init__(self, rank: Rank, thread: Executor, seconds: float = 0.002) -> None:
        self._rank, self._thread, self._seconds = rank, thread, seconds
        self._waiting: list[_Question] = []
        self._work: asyncio.Task[None] | None = None

    async def ask(self, history: list[int], k: int, exclude_seen: bool) -> Ranked:
        """Return the k best items after a history of item numbers.

        Raises:
            BusyError: Too many questions wait.
        """
        if len(self._waiting) >= MOST_WAITING:
            raise BusyError
        question = _Question(history, k, exclude_seen, asyncio.get_running_loop().create_future())
        self._waiting.append(question)
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._answer_all())
        return await question.answer

    async def _answer_all(self) -> None:
        """Answer batch after batch until no question is left."""
        await asyncio.sleep(self._seconds)
        while self._waiting:
            batch, self._waiting = self._waiting[:_TOGETHER], self._waiting[_TOGETHER:]
            # The answers of clients that have gone are not needed.
            batch = [question for question in batch if not question.answer.done()]
            for exclude_seen in (True, False):
                await self._answer([question for question in batch if question.exclude_seen == exclude_seen])

    async def _answer(self, batch: list[_Question]) -> None:
        """Answer questions that exclude alike."""
        if not batch:
            return
        histories, k = [question.history for question in batch], max(question.k for question in batch)
        loop = asyncio.get_running_loop()
        try:
            rows = await loop.run_in_executor(self._thread, self._ranked, histories, k, batch[0].exclude_seen)
        except Exception as error:
            for question in batch:
                if not question.answer.done():
                    question.answer.set_exception(error)
            return
        for question, row in zip(batch, rows, strict=True):
            if not question.answer.done():
                question.answer.set_result(row[: question.k])

    def _ranked(self, histories: list[list[int]], k: int, exclude_seen: bool) -> list[Ranked]:
        """Rank, and leave out the places where there are no more items."""
        items, scores = self._rank(histories, k, exclude_seen)
        return [
            [(item, score) for item, score in zip(*row, strict=True) if item]
            for row in zip(items.tolist(), scores.tolist(), strict=True)
        ]
