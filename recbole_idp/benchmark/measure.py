"""Seconds, memory and the machine's own speed."""

import contextlib
import ctypes
import gc
import os
import threading
import time

import psutil
import torch

INTERVAL = 0.05
"""Seconds between two looks at the memory."""


class BudgetSpentError(Exception):
    """Ends a training loop whose time or steps are used up."""


class Budget:
    """A loss function that counts what it is called with, and ends the training when its time or steps are used up.

    RecBole's trainer and ours take the loss function as an argument of an epoch, so that both loops run as they are.

    Args:
        loss (Callable): The loss of a batch.
        sizes_of (Callable): The shapes of a batch's parts, and its targets.
        flops_of (Callable): Floating-point operations of a step with these sizes.
        seconds (float | None): Time of all steps together.
        steps (int | None): Number of steps.

    Attributes:
        targets (int): Targets of the steps that are done.
        flops (float): Their floating-point operations.
        rates (list[float]): Targets a second of each of them, with the preparation of the next batch.
        elapsed (float): Seconds until the last of them was done.
    """

    def __init__(self, loss, sizes_of, flops_of, seconds=None, steps=None):
        self.loss, self.sizes_of, self.flops_of = loss, sizes_of, flops_of
        self.seconds, self.steps = seconds, steps
        self.targets, self.flops, self.rates, self.elapsed = 0, 0.0, [], 0.0
        self._running, self._began = None, time.perf_counter()
        self._last = self._began

    def __call__(self, batch):
        """Returns the loss of a batch, or ends the training."""
        self.finish_step()
        spent = self.seconds is not None and self.elapsed >= self.seconds and self.rates
        if spent or (self.steps is not None and len(self.rates) >= self.steps):
            raise BudgetSpentError
        self._running = self.sizes_of(batch)
        return self.loss(batch)

    def finish_step(self):
        """Counts the step that is running, which is done when the next one begins or the epoch ends."""
        if self._running is None:
            return
        now = time.perf_counter()
        targets = self._running[1]
        self.targets += targets
        self.flops += self.flops_of(*self._running)
        self.rates.append(targets / max(now - self._last, 1e-9))
        self.elapsed, self._last, self._running = now - self._began, now, None


class Usage:
    """What a block needed.

    Attributes:
        seconds (float): Time.
        cpu_seconds (float): Time of all its threads on a processor, which others on the machine disturb less.
        peak_memory_mb (float): Growth of the process's resident memory above its level before the block, in MiB.
    """

    seconds = cpu_seconds = peak_memory_mb = 0.0


@contextlib.contextmanager
def usage():
    """Measures a block.

    Both sides run in one process. What earlier blocks have freed is handed back to the system first, so that its use
    counts again; where the C library cannot do that (all but glibc), the growth of a later block is too small.

    Yields:
        Usage: Filled when the block ends.
    """
    release_memory()
    process, measured, stop = psutil.Process(), Usage(), threading.Event()
    before = peak = process.memory_info().rss

    def watch():
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


def release_memory():
    """Collects garbage and hands free memory back to the system, where the C library can do that.

    Returns:
        bool: Whether it can.
    """
    gc.collect()
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError, TypeError):
        return False
    return True


def matrix_product_rate(sizes=(256, 512, 1024), seconds=0.25):
    """Measures this machine's float32 matrix product with the threads that PyTorch uses.

    It is the rate over the whole time that counts, not that of the quickest product: the training that is compared with
    it has to share the processors as well.

    Args:
        sizes (Sequence[int]): Rows and columns of the matrices.
        seconds (float): Time for each size.

    Returns:
        float: The rate of the best size, in GFLOP/s.
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


def load_average():
    """Returns the machine's load average of the last minute, or None where it keeps none."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None
