"""Cache the vectors of texts by content, so that no text is encoded twice."""

from __future__ import annotations

import functools
import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recbole_idp.content.text.interface import TextEncoder, distinct_texts
from recbole_idp.content.vector_cache import HASH_BYTES, fill_vectors

BLOCK_TEXTS = 2048


@dataclass(frozen=True)
class EncodeReport:
    """Counts and times of one call of :func:`encode_cached`.

    Attributes:
        encoded: Distinct texts that were encoded.
        from_cache: Distinct texts that were found in the cache. Blank texts are in neither count.
        seconds: Wall time of the whole call.
        items_per_second: Encoded texts per second of encoding; 0 if none was encoded.
    """

    encoded: int
    from_cache: int
    seconds: float
    items_per_second: float


def encode_cached(
    encoder: TextEncoder, texts: Sequence[str], cache_path: str | Path, show_progress: bool = False
) -> tuple[np.ndarray, EncodeReport]:
    """Encode texts: take known vectors from the cache, and add new ones to it.

    Args:
        encoder: The encoder, fitted if it needs fitting.
        texts: N texts; a blank one has a zero vector.
        cache_path: The folder of the cache, which is made if it is missing.
        show_progress: Whether to draw a progress bar with items/s on standard error.

    Returns:
        Row i is the vector of text i, float32, shape [N, width]; and the report.

    Raises:
        UserError: The cache cannot be written, or the disk is full.
    """
    started = time.perf_counter()
    distinct, index = distinct_texts(texts)
    # One row more than distinct texts: every blank text has the index -1, the zeros at the end.
    table = np.zeros((len(distinct) + 1, encoder.width), dtype=np.float32)

    @functools.cache
    def encode_texts() -> Callable[[list[str], Callable[[int], object]], np.ndarray]:
        """Return what encodes texts, which a cluster is asked for where there are some."""
        if encoder.blocks == 1:
            return encoder.encode_distinct
        from recbole_idp.content.text.on_ray import RayBlocks

        return RayBlocks(encoder, BLOCK_TEXTS).encode

    def encode(rows: np.ndarray, advance: Callable[[int], object]) -> tuple[np.ndarray, np.ndarray]:
        """Encode the texts of some rows."""
        return rows, encode_texts()([distinct[row] for row in rows], advance)

    folder, hashes = Path(cache_path) / encoder.cache_key, [_hash(text) for text in distinct]
    filled = fill_vectors(folder, hashes, table, encode, BLOCK_TEXTS * encoder.blocks, (show_progress, "encode texts"))
    report = EncodeReport(filled.encoded, filled.from_cache, time.perf_counter() - started, filled.per_second)
    return table[index], report


def _hash(text: str) -> bytes:
    """Return the bytes that identify a text, which may hold lone surrogates, as broken titles do."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:HASH_BYTES]
