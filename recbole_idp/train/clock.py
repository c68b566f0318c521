"""Time and log the stages of a run."""

from __future__ import annotations

import contextlib
import logging
import resource
import sys
import time
from collections.abc import Iterator
from typing import Any


class StageClock:
    """Times the stages of a run and logs them.

    Attributes:
        stages: Facts of each stage, at least its ``seconds``.
    """

    def __init__(self) -> None:
        self.stages: dict[str, dict[str, Any]] = {}
        self._started = time.perf_counter()

    @contextlib.contextmanager
    def stage(self, name: str, what: str) -> Iterator[dict[str, Any]]:
        """Run a block as a stage. A stage that is entered again adds to its seconds.

        Args:
            name: The stage's key in results: ``pretrain``, ``encode``, ``match``, ``transfer``, ``evaluate``.
            what: What the stage does, for the log.

        Yields:
            dict: The stage's facts; the block adds its own to them.
        """
        logger = logging.getLogger()
        logger.info(f"[{name}] {what}")
        facts = self.stages.setdefault(name, {"seconds": 0.0})
        started = time.perf_counter()
        try:
            yield facts
        finally:
            seconds = time.perf_counter() - started
            facts["seconds"] = round(facts["seconds"] + seconds, 3)
            logger.info(f"[{name}] {seconds:.1f} s, {time.perf_counter() - self._started:.1f} s since the start")


def peak_memory_mb() -> int:
    """Return the largest resident memory of this process so far, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1 << 20 if sys.platform == "darwin" else 1 << 10))
