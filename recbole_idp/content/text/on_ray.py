"""Encode blocks of texts by the tasks of a Ray cluster."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from recbole_idp.cluster import tasks
from recbole_idp.content.text.interface import TextEncoder


class RayBlocks:
    """Encodes texts as one process does, a block a task.

    Args:
        encoder: The encoder, which each task gets a copy of.
        block_texts: Texts of a block.

    Raises:
        UserError: Ray is not installed.
    """

    def __init__(self, encoder: TextEncoder, block_texts: int) -> None:
        self._block_texts, self._at_a_time = block_texts, encoder.blocks
        self._encoder = tasks.connect().put(encoder)
        self._threads = torch.get_num_threads()
        self._task = tasks.task(_encode, self._threads)

    def encode(self, texts: Sequence[str], advance: Callable[[int], object]) -> np.ndarray:
        """Encode texts; arguments and result as of :meth:`TextEncoder.encode_distinct`."""
        blocks = [texts[first : first + self._block_texts] for first in range(0, len(texts), self._block_texts)]
        found = []
        for vectors in tasks.in_order(self._start, blocks, self._at_a_time):
            found.append(vectors)
            advance(len(vectors))
        return np.concatenate(found)

    def _start(self, texts: Sequence[str]) -> Any:
        """Start the task of a block, and return its reference."""
        return self._task.remote(self._encoder, list(texts), self._threads)


def _encode(encoder: TextEncoder, texts: list[str], threads: int) -> np.ndarray:
    """Encode a block, on a machine of the cluster."""
    torch.set_num_threads(threads)
    return encoder.encode_distinct(texts, lambda _: None)
