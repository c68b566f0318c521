"""Seconds, memory and the machine's own speed."""

import contextlib
import ctypes
import gc
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import psutil
import torch

SizesOf = Callable[[Any], tuple[Sequence[tuple[int, ...]], int]]
"""Function that returns the shapes of a batch's parts, and its number of targets."""

INTERVAL = 0.05
"""Seconds between two measurements of the memory."""


class BudgetSpentError(Exception):
    """Exception that ends a training loop whose time or steps are used up."""


class Budget:
    """A loss function that counts its steps, and ends the training when its time or steps are used up.

    RecBole's trainer and ours take the loss function as an argument of an epoch, so that both loops run as they are.

    Args:
        loss: Function that returns the loss of a batch.
        sizes_of: Function that returns the shapes of a batch's parts, and its number of targets.
        flops_of: Function that returns the floating-point operations of a step with these sizes.
        seconds: Time of all steps together; None: no limit.
        steps: Number of steps; None: no limit.

    Attributes:
        targets: Number of targets of the steps that are done.
        flops: Their floating-point operations.
        rates: Targets per second of each of them, the preparation of the next batch included.
        elapsed: Seconds until the last of them was done.
    """

    targets: int
    flops: float
    rates: list[float]
    elapsed: float
    _running: tuple[Sequence[tuple[int, ...]], int] | None

    def __init__(
        self,
        loss: Callable[[Any], torch.Tensor],
        sizes_of: SizesOf,
        flops_of: Callable[[Sequence[tuple[int, ...]], int], float],
        seconds: float | None = None,
        steps: int | None = None,
    ) -> None:
        self.loss, self.sizes_of, self.flops_of = loss, sizes_of, flops_of
        self.seconds, self.steps = seconds, steps
        self.targets, self.flops, self.rates, self.elapsed = 0, 0.0, [], 0.0
        self._running, self._began = None, time.perf_counter()
        self._last = self._began

    def __call__(self, batch: Any) -> torch.Tensor:
        """Return the loss of a batch, or end the training."""
        self.finish_step()
        spent = self.seconds is not None and self.elapsed >= self.seconds and self.rates
        if spent or (self.steps is not None and len(self.rates) >= self.steps):
            raise BudgetSpentError
        self._running = self.sizes_of(batch)
        return self.loss(batch)

    def finish_step(self) -> None:
        """Count the step that is running, which is done when the next one begins or the epoch ends."""
        if self._running is None:
            return
        now = time.perf_counter()
        targets = self._running[1]
        self.targets += targets
        self.flops += self.flops_of(*self._running)
        self.rates.append(targets / max(now - self._last, 1e-9))
        self.elapsed, self._last, self._running = now - self._began, now, None


class Usage:
    """Time and memory that a block needed.

    Attributes:
        seconds: Wall time.
        cpu_seconds: Processor time of all its threads, which depends less on other processes of the machine.
        peak_memory_mb: Growth of the process's resident memory above its level before the block, in MiB.
    """

    seconds = cpu_seconds = peak_memory_mb = 0.0


@contextlib.contextmanager
def usage() -> Iterator[Usage]:
    """Measure a block.

    Both sides run in one process. Memory that earlier blocks have freed is returned to the system first, so that its
    use counts again. Where the C library cannot do that (all but glibc), the growth in a later block is too small.

    Yields:
        Filled when the block ends.
    """
    release_memory()
    process, measured, stop = psutil.Process(), Usage(), threading.Event()
    before = peak = process.memory_info().rss

    def watch() -> None:
        nonlocal peak
        while not stop.wait(INTERVAL):
            peak = max(peak, process.memory_info().rss)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    began, cpu_began = time.perf_counter(), time.process_time()
    try:
        yield measured
    finally:
        measured.seconds, measured.cpu_seconds = time.perf_counter() - began, time.process_time() - cpu_began
        stop.set()
        watcher.join()
        peak = max(peak, process.memory_info().rss)
        measured.peak_memory_mb = (peak - before) / (1 << 20)


def release_memory() -> bool:
    """Collect garbage, and return free memory to the system where the C library can do that.

    Returns:
        Whether it can.
    """
    gc.collect()
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError, TypeError):
        return False
    return True


def matrix_product_rate(sizes: Sequence[int] = (256, 512, 1024), seconds: float = 0.25) -> float:
    """Measure this machine's float32 matrix product with the threads that PyTorch uses.

    The rate is that over the whole time, not that of the fastest product: the training that is compared with it shares
    the processors as well.

    Args:
        sizes: Rows and columns of the matrices.
        seconds: Time for each size.

    Returns:
        The rate of the best size, in GFLOP/s.
    """
    best = 0.0
    for size in sizes:
        left, right, out = torch.rand(size, size), torch.rand(size, size), torch.empty(size, size)
        torch.mm(left, right, out=out)
        began, products, elapsed = time.perf_counter(), 0, 0.0
        while elapsed < seconds:
            torch.mm(left, right, out=out)
            products, elapsed = products + 1, time.perf_counter() - began
        best = max(best, 2 * size**3 * products / elapsed / 1e9)
    return best


def load_average() -> float | None:
    """Return the machine's load average of the last minute, or None where the system has none."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None
