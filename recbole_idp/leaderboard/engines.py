"""Engines that run the jobs of a leaderboard: this machine or a Ray cluster, with one interface."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from recbole_idp.cluster import tasks

if TYPE_CHECKING:
    from ray import ObjectRef


# Sent to a child when its parent dies (Linux, prctl).
_PARENT_DEATH_SIGNAL = 1


def run_job(arguments: Sequence[str], folder: str | Path, log: str | Path, threads: int, place: str) -> int:
    """Run one job to its end in a process of its own, on the machine where this is called.

    Args:
        arguments: Arguments of the command line.
        folder: The folder for its result.
        log: The file for its output.
        threads: Number of its threads.
        place: The folder that relative paths start from.

    Returns:
        Its exit status.
    """
    os.chdir(place)
    return _start(arguments, folder, log, threads).wait()


def _start(arguments: Sequence[str], folder: str | Path, log: str | Path, threads: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "recbole_idp", "run", *arguments]
    command += [f"--result_dir={folder}", f"--threads={threads}", "--show_progress=false", "--keep_trained=false"]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "PYTHONPATH": tasks.python_path()}
    parent = os.getpid()
    # Emptied, then appended to: another leaderboard may run the same job, whose lines are neither lost nor mixed.
    Path(log).write_bytes(b"")
    with open(log, "a", encoding="utf-8") as output:
        return subprocess.Popen(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            preexec_fn=lambda: _die_with_parent(parent),
        )


def _die_with_parent(parent: int) -> None:
    """End this process when its parent is killed, where the system can do that."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGTERM)
        if os.getppid() != parent:
            # It was killed before this process could ask for the signal.
            os.kill(os.getpid(), signal.SIGKILL)


class LocalEngine:
    """Runs jobs as processes of this machine.

    Args:
        threads: Number of threads of each job.
    """

    def __init__(self, threads: int) -> None:
        self.threads = threads

    def start(self, arguments: Sequence[str], folder: str | Path, log: str | Path) -> subprocess.Popen[bytes]:
        """Start a job, and return its process."""
        return _start(arguments, folder, log, self.threads)

    def wait(self, running: Sequence[subprocess.Popen[bytes]]) -> tuple[subprocess.Popen[bytes], int]:
        """Wait until a job has ended.

        Args:
            running: What :meth:`start` returned for jobs that have not ended yet.

        Returns:
            A process that has ended, and its exit status.
        """
        while True:
            for process in running:
                if (status := process.poll()) is not None:
                    return process, status
            time.sleep(0.2)

    def stop(self, running: Sequence[subprocess.Popen[bytes]]) -> None:
        """End jobs; their finished results are kept."""
        for process in running:
            # Not SIGINT, which is ignored by what a shell has started in the background.
            process.terminate()
        for process in running:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


class RayEngine:
    """Runs jobs on the Ray cluster that ``RAY_ADDRESS`` names, whose machines share the folders, or on this machine.

    Args:
        threads: Threads of each job, asked for as processors.
    """

    def __init__(self, threads: int) -> None:
        self.ray, self.threads = tasks.connect(), threads
        self._run = tasks.task(run_job, threads, max_retries=0)
        self._logs: dict[ObjectRef, str | Path] = {}

    def start(self, arguments: Sequence[str], folder: str | Path, log: str | Path) -> ObjectRef:
        """Start a job, and return its task."""
        paths = [str(Path(path).resolve()) for path in (folder, log)]
        task = self._run.remote(arguments, *paths, self.threads, os.getcwd())
        self._logs[task] = log
        return task

    def wait(self, running: Sequence[ObjectRef]) -> tuple[ObjectRef, int]:
        """Wait until a job has ended; see :meth:`LocalEngine.wait`."""
        done, _ = self.ray.wait(running, num_returns=1)
        try:
            return done[0], self.ray.get(done[0])
        except self.ray.exceptions.RayError as error:
            with open(self._logs[done[0]], "a", encoding="utf-8") as log:
                log.write(f"Ray: {error}\n")
            return done[0], 1

    def stop(self, running: Sequence[ObjectRef]) -> None:
        """End jobs; their finished results are kept."""
        for task in running:
            self.ray.cancel(task, force=True)


ENGINES: dict[str, type[LocalEngine] | type[RayEngine]] = {"local": LocalEngine, "ray": RayEngine}
