"""Training steps, each timed by itself, until there are enough of them or their time is used up."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from typing import Any

from recbole_idp.benchmark.measure import BudgetSpentError


class TimedSteps:
    """A loss function that ends the training after some steps, or some processor time.

    The first step is left out: it pays for the beginning of an epoch and for what libraries set up on their first use.

    Args:
        loss: Function that returns the loss of a batch.
        targets_of: Function that returns the number of targets of a batch.
        steps: Number of steps that count, at most.
        cpu_seconds: Their processor time, which the last one may exceed.
    """

    def __init__(
        self,
        loss: Callable[[Any], Any],
        targets_of: Callable[[Any], int],
        steps: int,
        cpu_seconds: float = math.inf,
    ) -> None:
        self.loss, self._targets_of, self._steps, self._cpu_seconds = loss, targets_of, steps, cpu_seconds
        self._marks: list[tuple[float, float]] = []
        self._targets: list[int] = []

    def __call__(self, batch: Any) -> Any:
        """Return the loss of a batch, or end the training.

        Raises:
            BudgetSpentError: All steps are done.
        """
        self.mark(self._targets_of(batch))
        if self.is_done:
            raise BudgetSpentError
        return self.loss(batch)

    @property
    def is_done(self) -> bool:
        """Whether all steps are done, or their time is used up after one at least."""
        spent = len(self._marks) > 2 and self._marks[-1][1] - self._marks[1][1] >= self._cpu_seconds
        return spent or len(self._marks) > self._steps + 1

    def mark(self, targets: int) -> None:
        """Note that a step begins.

        Args:
            targets: Targets of its batch.
        """
        self._marks.append((time.perf_counter(), time.process_time()))
        self._targets.append(targets)

    def finish_step(self) -> None:
        """End a step, which ends where the next one begins (as in a ``Budget``)."""

    def facts(self) -> dict[str, Any]:
        """Return seconds and targets of the steps that count."""
        (began, cpu_began), (ended, cpu_ended) = self._marks[1], self._marks[-1]
        targets, spent = sum(self._targets[1:-1]), [mark[1] for mark in self._marks[1:]]
        rates = [
            count / max(after - before, 1e-9)
            for count, before, after in zip(self._targets[1:-1], spent[:-1], spent[1:], strict=True)
        ]
        return {
            "seconds": ended - began,
            "cpu_seconds": cpu_ended - cpu_began,
            "steps": len(rates),
            "targets": targets,
            "targets_per_second": targets / (ended - began),
            "targets_per_cpu_second": targets / max(cpu_ended - cpu_began, 1e-9),
            "targets_per_cpu_second_of_median_step": statistics.median(rates),
        }
