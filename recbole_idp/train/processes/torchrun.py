"""What torchrun says of the processes that it has started, without importing PyTorch."""

from __future__ import annotations

import os


def process_count() -> int:
    """Return how many processes torchrun has started, this one among them; 1: it has started none."""
    return int(os.environ.get("WORLD_SIZE", "1")) if "MASTER_ADDR" in os.environ else 1


def process_number() -> int:
    """Return the number of this process among them; 0 is the main one."""
    return int(os.environ["RANK"])
