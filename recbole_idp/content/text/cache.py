"""Vectors of texts, kept by content: what was encoded once is never encoded again.

A cache is a folder with a folder for each encoder fingerprint, which holds shards: safetensors files with the hashes
of N texts and their vectors. Shards are only ever added whole and removed whole, under names that nobody else uses,
so that an interrupted run loses one block at most and several processes can share a cache.
"""

import hashlib
import logging
import time
import uuid
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recbole_idp.content.text.interface import distinct_texts, progress_bar
from recbole_idp.storage.files import replacing

BLOCK_TEXTS = 2048
_SMALL_SHARDS = 16  # more of them than this are merged
_MERGED_ROWS = 65_536
_HASH_BYTES = 16
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class EncodeReport:
    """What :func:`encode_cached` had to do.

    Attributes:
        encoded (int): Distinct texts that were encoded.
        from_cache (int): Distinct texts that were found. Blank texts count in neither.
        seconds (float): Wall time of the whole call.
        items_per_second (float): Encoded texts per second of encoding; 0 where none was.
    """

    encoded: int
    from_cache: int
    seconds: float
    items_per_second: float


def cache_folder(config):
    """Returns the folder of what is computed once from texts."""
    return Path(config["cache_path"] or Path(config["checkpoint_dir"]) / "cache")


def encode_cached(encoder, texts, cache_path, show_progress=False):
    """Encodes texts, taking from the cache what is there and adding what is not.

    texts -> distinct hashes -> shards on disk -> missing texts, in blocks -> encoder -> new shards -> vectors

    Args:
        encoder (TextEncoder): Fitted, where it needs that.
        texts (Sequence[str]): N texts; a blank one gets a zero vector.
        cache_path (str | Path): The cache's folder, made where it is missing.
        show_progress (bool): Whether to draw a progress bar with items/s on standard error.

    Returns:
        tuple[np.ndarray, EncodeReport]: float32 ``[N, encoder.width]``, row i for text i; and what was done.

    Raises:
        UserError: The cache cannot be written, or the disk is full.
    """
    started = time.perf_counter()
    distinct, index = distinct_texts(texts)
    # One row more than distinct texts: the zeros at the end serve every blank text, whose index is -1.
    table = np.zeros((len(distinct) + 1, encoder.width), dtype=np.float32)
    row_of_hash = {_hash(text): row for row, text in enumerate(distinct)}
    folder = Path(cache_path) / encoder.fingerprint

    missing = np.flatnonzero(~_fill_from_shards(folder, row_of_hash, table))
    encoding_started = time.perf_counter()
    if missing.size:
        hashes = np.frombuffer(b"".join(row_of_hash), dtype=np.uint8).reshape(-1, _HASH_BYTES)
        with progress_bar(len(missing), show_progress) as advance:
            for start in range(0, len(missing), BLOCK_TEXTS):
                rows = missing[start : start + BLOCK_TEXTS]
                table[rows] = encoder.encode_distinct([distinct[row] for row in rows], advance)
                _write_shard(folder, hashes[rows], table[rows])
    encoding_seconds = time.perf_counter() - encoding_started
    if missing.size:
        _merge_small_shards(folder, encoder.width)

    report = EncodeReport(
        encoded=len(missing),
        from_cache=len(distinct) - len(missing),
        seconds=time.perf_counter() - started,
        items_per_second=len(missing) / encoding_seconds if missing.size else 0.0,
    )
    return table[index], report


def _hash(text):
    """Returns the 16 bytes that stand for a text; a lone surrogate, which broken titles have, is a text as well."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:_HASH_BYTES]


def _fill_from_shards(folder, row_of_hash, table):
    """Copies the vectors that the shards have into the table.

    Args:
        folder (Path): The folder of one encoder.
        row_of_hash (dict[bytes, int]): Row of the table for each text's hash.
        table (np.ndarray): float32 ``[M + 1, width]``, filled in place.

    Returns:
        np.ndarray: bool ``[M]``, the rows that were found.
    """
    found = np.zeros(len(row_of_hash), dtype=bool)
    seen = set()
    # Where another process merges shards meanwhile, theirs vanish and a new one holds the content: look again.
    while not found.all() and (fresh := [path for path in _shards(folder) if path.name not in seen]):
        seen.update(path.name for path in fresh)
        for path in fresh:
            shard = _read_shard(path, table.shape[1])
            if shard is None:
                continue
            hashes, vectors = shard
            pairs = [(row_of_hash.get(key), row) for row, key in enumerate(_keys(hashes))]
            wanted = np.array([pair for pair in pairs if pair[0] is not None], dtype=np.int64).reshape(-1, 2)
            table[wanted[:, 0]] = vectors[wanted[:, 1]]
            found[wanted[:, 0]] = True
    return found


def _shards(folder):
    """Returns the paths of an encoder's shards, in an order that is always the same."""
    return sorted(folder.glob("shard-*.safetensors"))


def _keys(hashes):
    """Returns the rows of a uint8 ``[N, 16]`` array as a list of N bytes objects."""
    content = hashes.tobytes()
    return [content[start : start + _HASH_BYTES] for start in range(0, len(content), _HASH_BYTES)]


def _read_shard(path, width):
    """Returns a shard's hashes uint8 ``[N, 16]`` and vectors float32 ``[N, width]``; None where it is of no use."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as shard:
            checksum = (shard.metadata() or {}).get("crc32")
            hashes, vectors = shard.get_tensor("hashes"), shard.get_tensor("vectors")
    except FileNotFoundError:
        return None  # merged away by another process
    except (SafetensorError, OSError) as error:
        _log.warning("text cache: %s is damaged (%s); its texts are encoded again", path, error)
        return None
    shapes_fit = hashes.shape == (len(vectors), _HASH_BYTES) and vectors.shape[1:] == (width,)
    if not shapes_fit or vectors.dtype != np.float32 or checksum != _checksum(hashes, vectors):
        _log.warning("text cache: %s is damaged (its content changed); its texts are encoded again", path)
        return None
    return hashes, vectors


def _write_shard(folder, hashes, vectors):
    """Writes one shard, whole or not at all, under a name that no other process uses."""
    from safetensors.numpy import save

    hashes, vectors = np.ascontiguousarray(hashes), np.ascontiguousarray(vectors)
    content = save({"hashes": hashes, "vectors": vectors}, metadata={"crc32": _checksum(hashes, vectors)})
    with replacing(folder / f"shard-{uuid.uuid4().hex}.safetensors") as temporary:
        temporary.write_bytes(content)


def _checksum(hashes, vectors):
    """Returns the CRC-32 of a shard's content: safetensors itself notices a cut file but no changed byte."""
    return f"{zlib.crc32(np.ascontiguousarray(vectors).data, zlib.crc32(np.ascontiguousarray(hashes).data)):08x}"


def _merge_small_shards(folder, width):
    """Replaces many small shards by few large ones; damaged ones are dropped on the way."""
    large = _MERGED_ROWS // 2 * (width * 4 + _HASH_BYTES)
    small = [path for path in _shards(folder) if _size(path) < large]
    if len(small) <= _SMALL_SHARDS:
        return
    batch, rows = [], 0
    for path in small:
        shard = _read_shard(path, width)
        batch.append((path, shard))
        rows += len(shard[0]) if shard is not None else 0
        if rows >= _MERGED_ROWS:
            _replace_shards(folder, batch)
            batch, rows = [], 0
    _replace_shards(folder, batch)


def _replace_shards(folder, batch):
    """Writes the distinct rows of the given (path, content) shards as one, then removes the given ones."""
    contents = [shard for _, shard in batch if shard is not None]
    if contents:
        hashes, vectors = (np.concatenate(arrays) for arrays in zip(*contents, strict=True))
        rows = list({key: row for row, key in enumerate(_keys(hashes))}.values())
        _write_shard(folder, hashes[rows], vectors[rows])
    for path, _ in batch:
        path.unlink(missing_ok=True)


def _size(path):
    """Returns a file's size in bytes, 0 where another process has just removed it."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
