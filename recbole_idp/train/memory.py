"""The memory that a training takes, and what is left of it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import torch

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_MEMINFO, _CGROUP = Path("/proc/meminfo"), Path("/sys/fs/cgroup")


class PeakMemory:
    """Measure the largest memory during blocks: of the accelerator, or resident memory of this process on Linux.

    Args:
        device: Where the training runs.

    Attributes:
        peak_mb: The largest memory of all blocks so far, in MiB; None where it cannot be measured.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self.peak_mb: int | None = None

    @contextlib.contextmanager
    def measured(self) -> Iterator[None]:
        """Measure a block."""
        known = self._reset()
        yield
        if known:
            self.peak_mb = max(self.peak_mb or 0, self._peak_mb())

    def _reset(self) -> bool:
        """Forget the peak so far; return whether that is possible here."""
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)
            return True
        try:
            # The kernel sets the peak of resident memory to what it is now.
            _RESET.write_text("5", encoding="ascii")
        except OSError:
            return False
        return "VmHWM" in _STATUS.read_text(encoding="ascii")

    def _peak_mb(self) -> int:
        if self._device.type == "cuda":
            return round(torch.cuda.max_memory_allocated(self._device) / (1 << 20))
        line = next(line for line in _STATUS.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM"))
        return round(int(line.split()[1]) / (1 << 10))


def available_bytes(device: torch.device) -> int | None:
    """Return how much memory can still be taken; None where that is not known.

    Args:
        device: Where a training runs: the memory of an accelerator, or that of the machine, within the limit of the
            container that the process runs in.
    """
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    try:
        lines = _MEMINFO.read_text(encoding="ascii").splitlines()
        found = next(int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration, ValueError):
        return None
    with contextlib.suppress(OSError, ValueError):
        # "max" where there is no limit.
        limit = int((_CGROUP / "memory.max").read_text(encoding="ascii"))
        found = min(found, max(0, limit - int((_CGROUP / "memory.current").read_text(encoding="ascii"))))
    return found
