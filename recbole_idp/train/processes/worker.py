"""A worker: waits for trainings, and takes its part in their steps."""

from __future__ import annotations

import contextlib
import sys

import torch
import torch.distributed as dist

from recbole_idp import compat
from recbole_idp.train.processes import torchrun
from recbole_idp.train.processes.group import is_lost, shares
from recbole_idp.train.processes.meeting import join
from recbole_idp.train.processes.step import Training


def serve() -> None:
    """Take part in trainings, until the main process says that there are no more, or has ended."""
    try:
        with contextlib.suppress(KeyboardInterrupt), compat.without_anomaly_detection():
            while training := _next():
                torch.manual_seed(training.seed + dist.get_rank())
                training.model.train()
                for batch in shares():
                    training.step(batch)
    except Exception as error:
        # When the connection breaks, the main process has ended, and has said why.
        if not (isinstance(error, RuntimeError) and is_lost(error)):
            text = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            print(f"recbole-idp: process {dist.get_rank()} of the training: {text}", file=sys.stderr)
            sys.exit(1)


def _next() -> Training | None:
    """Return the next training that the main process announces; None: there is none any more."""
    found: list[Training | None] = [None]
    dist.broadcast_object_list(found, src=0)
    return found[0]


def serve_torchrun() -> None:
    """Be a worker that torchrun has started."""
    join(None, torchrun.process_number(), torchrun.process_count())
    serve()


def main(store: str, count: str, rank: str, threads: str) -> None:
    """Be a worker that the main process has started; arguments as it gives them."""
    torch.set_num_threads(int(threads))
    join(dist.FileStore(store, int(count)), int(rank), int(count))
    serve()


if __name__ == "__main__":
    main(*sys.argv[1:])
