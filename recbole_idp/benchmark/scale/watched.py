"""Run a measurement in a process of its own, and end it where it takes too long or too much memory."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from recbole_idp.storage.files import read_json

if TYPE_CHECKING:
    from recbole_idp.benchmark.scale.request import Request

_INTERVAL = 0.2


@dataclass(frozen=True)
class Limits:
    """What a stage may take at most.

    Attributes:
        seconds: Processor time; that of the first stage counts from the start of its process.
        gigabytes: Resident memory of its process, in GiB.
    """

    seconds: float
    gigabytes: float


def run_watched(request: Request, stages: Sequence[str], limits: Limits) -> dict[str, dict[str, Any]]:
    """Run a job's process.

    Args:
        request: What to measure.
        stages: The stages of the job, in their order.
        limits: What each of them may take.

    Returns:
        The measurements of each stage. One that was not measured has ``ended`` instead: why not, in words.
    """
    with tempfile.TemporaryDirectory() as folder:
        asked, answer, errors = (Path(folder) / name for name in ("request.json", "answer.json", "errors.txt"))
        request.write(asked)
        with errors.open("w", encoding="utf-8") as file:
            command = [sys.executable, "-m", "recbole_idp.benchmark.scale.worker", str(asked), str(answer)]
            process = subprocess.Popen(command, stdout=file, stderr=file)
            try:
                ended = _watch(process, answer, limits)
            finally:
                process.kill()
                process.wait()
        measured = read_json(answer, "measurements", "run it again") if answer.is_file() else {}
        missing = [stage for stage in stages if stage not in measured]
        if missing:
            measured[missing[0]] = {"ended": ended or _last_line(errors)}
            measured.update({stage: {"ended": "not reached"} for stage in missing[1:]})
    return measured


def _watch(process: subprocess.Popen[bytes], answer: Path, limits: Limits) -> str | None:
    """Wait for the end of a process; return why it was killed, None where it was not."""
    began, finished, watched = 0.0, None, psutil.Process(process.pid)
    while process.poll() is None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_INTERVAL)
        with contextlib.suppress(psutil.NoSuchProcess):
            spent = sum(watched.cpu_times()[:2])
            changed = answer.stat().st_mtime_ns if answer.is_file() else None
            if changed != finished:
                began, finished = spent, changed
            if spent - began > limits.seconds:
                return f"killed after {limits.seconds:g} s"
            if watched.memory_info().rss > limits.gigabytes * 2**30:
                return f"killed at {limits.gigabytes:g} GiB"
    return None


def _last_line(path: Path) -> str:
    """Return the last line that a failed process wrote."""
    lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return f"failed: {lines[-1][:200]}" if lines else "failed without a word"
