"""Seconds and memory of the stages of one process, kept as soon as each has ended."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import torch

from recbole_idp.benchmark.measure import load_average, release_memory
from recbole_idp.storage.files import write_json
from recbole_idp.train.memory import PeakMemory

_MIB = 1 << 20


class Meter:
    """Measures the stages of a process that has imported what it needs, and does nothing else.

    Args:
        path: The file of the measurements, which is written again after each stage.
    """

    def __init__(self, path: Path) -> None:
        self._path, self.measured = path, dict[str, dict[str, Any]]()
        self.renew()

    def renew(self) -> None:
        """Take what is in memory now for what the process has imported."""
        self.imports_mb = self._resident()

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[dict[str, Any]]:
        """Measure a block.

        Args:
            name: The stage.

        Yields:
            Further facts, which the block may add. Of a block that gives ``seconds`` and ``cpu_seconds`` itself, these
            count.
        """
        release_memory()
        facts: dict[str, Any] = {}
        held, memory = self._resident() - self.imports_mb, PeakMemory(torch.device("cpu"))
        with memory.measured():
            began, cpu_began = time.perf_counter(), time.process_time()
            yield facts
            seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu_began
        times = {"seconds": seconds, "cpu_seconds": cpu_seconds, **facts}
        peak = None if memory.peak_mb is None else round(held + memory.peak_mb, 1)
        self.measured[name] = {
            **times,
            "peak_mb": peak,
            "held_before_mb": round(held, 1),
            "imports_mb": round(self.imports_mb, 1),
            "load_average": load_average(),
        }
        write_json(self._path, self.measured)

    @staticmethod
    def _resident() -> float:
        return psutil.Process().memory_info().rss / _MIB
