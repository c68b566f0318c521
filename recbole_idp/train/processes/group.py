"""The processes that share a training: the main one, which does everything else as well, and its workers.

The main process runs a job as always. Where it trains, it sends model and optimizer to the workers at the beginning of
each epoch, and batches at each step. So workers read no data and write nothing, and a training that was interrupted
goes on with any number of them.
"""

from __future__ import annotations

import atexit
import contextlib
import shutil
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import torch.distributed as dist

from recbole_idp.errors import UserError
from recbole_idp.train.processes import local, on_ray, torchrun
from recbole_idp.train.processes.meeting import join
from recbole_idp.train.processes.step import Training

_LOST = "a process of the training has ended: read above why, and start the same command again, which resumes"
# Steps whose batches are sent together, as each message takes a fraction of a millisecond.
_STEPS = 8


class Worker(Protocol):
    """A worker that this process has started."""

    def terminate(self) -> None:
        """Ask it to end."""

    def wait(self) -> Any:
        """Wait until it has ended."""


class Processes:
    """All processes, as the main one sees them.

    Args:
        workers: Those that this process has started; none under torchrun, which ends its processes itself.
        folder: A folder of this process that they meet in; None: they meet over the network.
    """

    def __init__(self, workers: Sequence[Worker] = (), folder: Path | None = None) -> None:
        self._workers, self._folder = workers, folder
        self.count = dist.get_world_size()
        self._in_epoch = False

    def train(self, training: Training, batches: Iterable[Any]) -> tuple[float, int]:
        """Train on each of some batches once.

        Args:
            training: The training.
            batches: The batches.

        Returns:
            The sum of the loss over all targets, and their number.

        Raises:
            UserError: Another process has ended.
        """
        total, count, source = 0.0, 0, iter(batches)
        try:
            self._in_epoch = True
            announce(training)
            while some := list(islice(source, self.count * _STEPS)):
                for batch in _share(some, self.count):
                    loss, targets = training.step(batch)
                    total, count = total + loss, count + targets
            _share([], self.count)
            self._in_epoch = False
        except RuntimeError as error:
            if not is_lost(error):
                raise
            raise UserError(_LOST) from error
        return total, count

    def end(self) -> None:
        """End the workers."""
        # In the middle of an epoch they wait for a batch, and end when the connection does.
        if self._folder is None and not self._in_epoch:
            with contextlib.suppress(RuntimeError):
                announce(None)
        for worker in self._workers:
            worker.terminate()
        for worker in self._workers:
            worker.wait()
        with contextlib.suppress(RuntimeError):
            dist.destroy_process_group()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


_running: Processes | None = None


def processes(count: int, engine: str = "local") -> Processes:
    """Return the processes of this job, which are started once.

    Args:
        count: How many, this one among them; under torchrun it has started as many.
        engine: Where they are started: ``local``, on this machine; ``ray``, on the cluster.

    Raises:
        UserError: Others were started before, or a worker cannot be started.
    """
    global _running
    if _running is None:
        _running = _joined() if torchrun.process_count() > 1 else _started(count, engine)
        atexit.register(end_all)
    if _running.count != count:
        raise UserError(f"nproc is {count}, and {_running.count} processes are running: start another command")
    return _running


def end_all() -> None:
    """End the workers of this process, if there are any."""
    global _running
    if _running is not None:
        found, _running = _running, None
        found.end()


def is_lost(error: RuntimeError) -> bool:
    """Return whether an error says that another process has ended; gloo's have no class of their own."""
    return "peer" in str(error) or "onnection" in str(error)


def announce(training: Training | None) -> None:
    """Send the training of an epoch to all workers; None: they are to end."""
    dist.broadcast_object_list([training], src=0)


def shares() -> Iterator[Any]:
    """Yield the batches that the main process sends to this worker, until the epoch ends; None for a step without."""
    while True:
        found: list[list[Any]] = [[]]
        dist.scatter_object_list(found, None, src=0)
        if not found[0]:
            return
        yield from found[0]


def _share(batches: list[Any], count: int) -> list[Any]:
    """Send to each process its batches of some steps, and return those of this one; none: the epoch ends."""
    padded = [*batches, *[None] * (-len(batches) % count)]
    # The main process keeps its own, which need not be packed.
    sent = [[], *(padded[rank::count] for rank in range(1, count))]
    dist.scatter_object_list([[]], sent, src=0)
    return padded[::count]


def _joined() -> Processes:
    """Return the processes that torchrun has started."""
    join(None, 0, torchrun.process_count())
    return Processes()


def _started(count: int, engine: str) -> Processes:
    """Start workers on this machine, or on the cluster."""
    if engine == "ray":
        return Processes(on_ray.start(count))
    folder, workers = local.start(count)
    return Processes(workers, folder)
