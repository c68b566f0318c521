"""The memory that a training takes, and what is left of it."""

from __future__ import annotations

import contextlib
import ctypes
import gc
from collections.abc import Iterator
from pathlib import Path

import psutil
import torch

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_CGROUP = Path("/sys/fs/cgroup")
_MIB = 1 << 20


class PeakMemory:
    """Measure how much memory blocks take: of the accelerator, or resident memory of this process on Linux.

    Args:
        device: Where the training runs.

    Attributes:
        peak_mb: The largest memory of all blocks so far beyond what was taken before each, in MiB; None where it cannot
            be measured.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self.peak_mb: int | None = None

    @contextlib.contextmanager
    def measured(self) -> Iterator[None]:
        """Measure a block."""
        before = self._reset()
        yield
        if before is not None:
            self.peak_mb = max(self.peak_mb or 0, round((self._peak() - before) / _MIB))

    def _reset(self) -> int | None:
        """Forget the peak so far; return the bytes that are taken now, None where that is not possible."""
        gc.collect()
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)
            return torch.cuda.memory_allocated(self._device)
        with contextlib.suppress(OSError, AttributeError):
            # What was freed before stays resident otherwise, and is taken again without being seen.
            ctypes.CDLL(None).malloc_trim(0)
        try:
            # The kernel sets the peak of resident memory to what it is now.
            _RESET.write_text("5", encoding="ascii")
            return _of_status("VmRSS")
        except (OSError, StopIteration, TypeError):
            return None

    def _peak(self) -> int:
        if self._device.type == "cuda":
            return torch.cuda.max_memory_allocated(self._device)
        return _of_status("VmHWM")


def available_bytes(device: torch.device) -> int:
    """Return how much memory can still be taken.

    Args:
        device: Where a training runs: the memory of an accelerator, or that of the machine, within the limit of the
            container that the process runs in.
    """
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    found = int(psutil.virtual_memory().available)
    with contextlib.suppress(OSError, ValueError):
        # "max" where there is no limit.
        limit = int((_CGROUP / "memory.max").read_text(encoding="ascii"))
        found = min(found, max(0, limit - int((_CGROUP / "memory.current").read_text(encoding="ascii"))))
    return found


def _of_status(name: str) -> int:
    """Return the bytes of a line of this process's status, such as ``VmRSS: 1024 kB``."""
    line = next(line for line in _STATUS.read_text(encoding="ascii").splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) << 10
