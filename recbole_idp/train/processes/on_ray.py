"""Workers on the machines of a Ray cluster, which meet at an address of the main process."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist

from recbole_idp.cluster import tasks
from recbole_idp.errors import UserError
from recbole_idp.train.processes.meeting import PATIENCE, join

# A worker that was asked to end and does not is left to Ray, which ends it with this process.
_SECONDS = 10


class RayWorker:
    """A worker as a task of the cluster.

    Args:
        reference: The task.
    """

    def __init__(self, reference: Any) -> None:
        self._reference = reference

    def terminate(self) -> None:
        """Ask it to end."""
        tasks.connect().cancel(self._reference, force=True)

    def wait(self) -> None:
        """Wait until it has ended."""
        tasks.connect().wait([self._reference], timeout=_SECONDS)


def start(count: int) -> list[RayWorker]:
    """Start workers, and meet them.

    Args:
        count: How many processes there are, this one among them; it runs where it was started, beside the cluster.

    Returns:
        The workers.

    Raises:
        UserError: Ray is not installed, or the cluster has too few processors.
    """
    ray, threads = tasks.connect(), torch.get_num_threads()
    there, wanted = int(ray.cluster_resources().get("CPU", 0)), threads * (count - 1)
    if there < wanted:
        raise UserError(
            f"nproc is {count}, and the Ray cluster has {there} processors for {count - 1} workers of {threads} "
            "threads: lower nproc or threads, or add machines"
        )
    host = ray.util.get_node_ip_address()
    store = dist.TCPStore(host, 0, count, is_master=True, timeout=PATIENCE, wait_for_workers=False)
    # A process that has met others is not used for anything else.
    work = tasks.task(_work, threads, max_retries=0, max_calls=1)
    workers = [RayWorker(work.remote(host, store.port, count, rank, threads)) for rank in range(1, count)]
    try:
        join(store, 0, count)
    except BaseException:
        for worker in workers:
            worker.terminate()
        raise
    return workers


def _work(host: str, port: int, count: int, rank: int, threads: int) -> None:
    """Be a worker, on a machine of the cluster.

    Args:
        host: Address of the main process.
        port: Where its store listens.
        count: How many processes there are.
        rank: The number of this one.
        threads: Its threads.
    """
    # The main process imports this module, which needs no worker itself.
    from recbole_idp.train.processes.worker import serve

    torch.set_num_threads(threads)
    join(dist.TCPStore(host, port, count, is_master=False, timeout=PATIENCE), rank, count)
    serve()
