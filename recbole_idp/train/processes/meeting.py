"""How the processes of a training meet: through a store that all of them know."""

from __future__ import annotations

import datetime

import torch.distributed as dist

# The main process may read data or encode texts for hours between two epochs.
PATIENCE = datetime.timedelta(days=30)


def join(store: dist.Store | None, rank: int, count: int) -> None:
    """Meet the other processes.

    Args:
        store: What they meet by; None: as torchrun's environment says.
        rank: The number of this process; 0 is the main one.
        count: How many there are.
    """
    method = "env://" if store is None else None
    dist.init_process_group("gloo", method, PATIENCE, count, rank, store)
