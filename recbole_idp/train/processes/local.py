"""Workers on this machine, which meet in a folder of this user alone."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
import torch.distributed as dist

from recbole_idp.cluster.tasks import python_path
from recbole_idp.train.processes.meeting import join


def start(count: int) -> tuple[Path, list[subprocess.Popen[bytes]]]:
    """Start workers, and meet them.

    Args:
        count: How many processes there are, this one among them.

    Returns:
        The folder that they meet in, and the workers.
    """
    # A folder of this user alone, and addresses of this machine alone: what is sent is unpickled.
    folder = Path(tempfile.mkdtemp(prefix="recbole-idp-"))
    if sys.platform == "linux":
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    store = folder / "store"
    program = [sys.executable, "-m", "recbole_idp.train.processes.worker", str(store), str(count)]
    workers = [
        subprocess.Popen(
            [*program, str(rank), str(torch.get_num_threads())],
            stdin=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": python_path()},
        )
        for rank in range(1, count)
    ]
    try:
        join(dist.FileStore(str(store), count), 0, count)
    except BaseException:
        for worker in workers:
            worker.kill()
        raise
    return folder, workers
