"""Cache the vectors of texts by content, so that no text is encoded twice.

A cache is a folder with a folder for each encoder, which holds shards: safetensors files with the hashes
of N texts and their vectors. Shards are added and removed as a whole, under unique names, so that an interrupted run
loses one block at most and several processes can share a cache. Each is signed by the user who wrote it: what others
have put there is not used.
"""

from __future__ import annotations

import hashlib
import logging
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recbole_idp.content.text.interface import TextEncoder, distinct_texts, encoding_progress
from recbole_idp.storage.files import replacing
from recbole_idp.storage.signature import digest_of, is_signature, signature_of

BLOCK_TEXTS = 2048
_SMALL_SHARDS = 16  # more small shards than this are merged
_MERGED_ROWS = 65_536
_HASH_BYTES = 16
_DIGEST, _SIGNATURE = "digest", "signature"
_log = logging.getLogger(__name__)


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


def cache_folder(cache_path: str | None, checkpoint_dir: str) -> Path:
    """Return the folder of the caches: ``cache_path``, or ``cache`` in ``checkpoint_dir``."""
    return Path(cache_path or Path(checkpoint_dir) / "cache")


def encode_cached(
    encoder: TextEncoder, texts: Sequence[str], cache_path: str | Path, show_progress: bool = False
) -> tuple[np.ndarray, EncodeReport]:
    """Encode texts: take known vectors from the cache, and add new ones to it.

    texts -> distinct hashes -> shards on disk -> missing texts, in blocks -> encoder -> new shards -> vectors

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
    row_of_hash = {_hash(text): row for row, text in enumerate(distinct)}
    folder = Path(cache_path) / encoder.cache_key

    found = _fill_from_shards(folder, row_of_hash, table)
    missing = np.flatnonzero(~found)
    encoding_started = time.perf_counter()
    if missing.size:
        hashes = np.frombuffer(b"".join(row_of_hash), dtype=np.uint8).reshape(-1, _HASH_BYTES)
        with encoding_progress(len(missing), show_progress) as advance:
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


def _hash(text: str) -> bytes:
    """Return the 16 bytes that identify a text, which may hold lone surrogates, as broken titles do."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:_HASH_BYTES]


def _fill_from_shards(folder: Path, row_of_hash: Mapping[bytes, int], table: np.ndarray) -> np.ndarray:
    """Copy the vectors that the shards have into the table.

    Args:
        folder: The folder of one encoder.
        row_of_hash: Row of the table for each text's hash.
        table: The table, which is filled in place; float32, shape [M + 1, width].

    Returns:
        True for rows that were found; bool, shape [M].
    """
    found = np.zeros(len(row_of_hash), dtype=bool)
    seen: set[str] = set()
    # If another process merges shards meanwhile, these vanish and a new one holds their content: list them again.
    while not found.all() and (fresh := [path for path in _own_shards(folder) if path.name not in seen]):
        seen.update(path.name for path in fresh)
        for path in fresh:
            shard = _read_shard(path, table.shape[1])
            if shard is None:
                continue
            hashes, vectors = shard
            pairs = [(row_of_hash.get(key), row) for row, key in enumerate(_keys(hashes))]
            filled = np.array([pair for pair in pairs if pair[0] is not None], dtype=np.int64).reshape(-1, 2)
            table[filled[:, 0]] = vectors[filled[:, 1]]
            found[filled[:, 0]] = True
    if strange := sum(
        (sealed := _metadata(path)) is not None and not _is_own(sealed, folder) for path in _shards(folder)
    ):
        _log.warning(
            "text cache: %d shards of %s were written by another user or version, and are not used; delete them if you "
            "do not need them",
            strange,
            folder,
        )
    return found


def _shards(folder: Path) -> list[Path]:
    """Return the paths of an encoder's shards, in alphabetical order."""
    return sorted(folder.glob("shard-*.safetensors"))


def _keys(hashes: np.ndarray) -> list[bytes]:
    """Return the rows of a uint8 array of shape [N, 16] as N bytes objects."""
    content = hashes.tobytes()
    return [content[start : start + _HASH_BYTES] for start in range(0, len(content), _HASH_BYTES)]


def _own_shards(folder: Path) -> list[Path]:
    """Return the shards that this user has written, and those that are too damaged to tell."""
    return [path for path in _shards(folder) if (sealed := _metadata(path)) is None or _is_own(sealed, folder)]


def _metadata(path: Path) -> dict[str, str] | None:
    """Return what a shard's header says of it; None if it is damaged or gone."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as shard:
            return shard.metadata() or {}
    except (SafetensorError, OSError, ValueError, TypeError):
        return None


def _is_own(metadata: Mapping[str, str], folder: Path) -> bool:
    """Return whether this user has written a shard with this header for the encoder of this folder."""
    return is_signature(metadata.get(_SIGNATURE), _signed(metadata.get(_DIGEST, ""), folder))


def _signed(digest: str, folder: Path) -> list[bytes]:
    """Return what is signed: the encoder, which the folder is named after, and the digest of texts and vectors."""
    return [folder.name.encode(), digest.encode()]


def _read_shard(path: Path, width: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Return a shard's hashes, uint8 [N, 16], and vectors, float32 [N, width]; None if it is damaged or gone."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as shard:
            metadata = shard.metadata() or {}
            hashes, vectors = shard.get_tensor("hashes"), shard.get_tensor("vectors")
    except FileNotFoundError:
        return None  # merged away by another process
    except (SafetensorError, OSError, ValueError, TypeError) as error:
        _log.warning("text cache: %s is damaged (%s); its texts are encoded again", path, error)
        return None
    shapes_fit = hashes.shape == (len(vectors), _HASH_BYTES) and vectors.shape[1:] == (width,)
    digest = _digest(hashes, vectors)
    if not shapes_fit or vectors.dtype != np.float32 or not _is_own({**metadata, _DIGEST: digest}, path.parent):
        _log.warning("text cache: %s is damaged (its content changed); its texts are encoded again", path)
        return None
    if path.is_symlink() or not np.isfinite(vectors).all():
        _log.warning("text cache: %s is a link, or has values that are not numbers; its texts are encoded again", path)
        return None
    return hashes, vectors


def _write_shard(folder: Path, hashes: np.ndarray, vectors: np.ndarray) -> None:
    """Write one shard, whole or not at all, under a unique name."""
    from safetensors.numpy import save

    hashes, vectors = np.ascontiguousarray(hashes), np.ascontiguousarray(vectors)
    digest = _digest(hashes, vectors)
    metadata = {_DIGEST: digest, _SIGNATURE: signature_of(_signed(digest, folder))}
    content = save({"hashes": hashes, "vectors": vectors}, metadata=metadata)
    with replacing(folder / f"shard-{uuid.uuid4().hex}.safetensors") as temporary:
        temporary.write_bytes(content)


def _digest(hashes: np.ndarray, vectors: np.ndarray) -> str:
    """Return the digest of a shard's content, because safetensors finds a cut file but not a changed byte."""
    return digest_of([np.ascontiguousarray(hashes).data, np.ascontiguousarray(vectors).data])


def _merge_small_shards(folder: Path, width: int) -> None:
    """Replace many small shards by few large ones, and drop damaged ones."""
    large = _MERGED_ROWS // 2 * (width * 4 + _HASH_BYTES)
    small = [path for path in _own_shards(folder) if _size(path) < large]
    if len(small) <= _SMALL_SHARDS:
        return
    batch: list[tuple[Path, tuple[np.ndarray, np.ndarray] | None]] = []
    rows = 0
    for path in small:
        shard = _read_shard(path, width)
        batch.append((path, shard))
        rows += len(shard[0]) if shard is not None else 0
        if rows >= _MERGED_ROWS:
            _replace_shards(folder, batch)
            batch, rows = [], 0
    _replace_shards(folder, batch)


def _replace_shards(folder: Path, batch: Sequence[tuple[Path, tuple[np.ndarray, np.ndarray] | None]]) -> None:
    """Write the distinct rows of some shards, pairs of path and content, as one shard; then remove these shards."""
    contents = [shard for _, shard in batch if shard is not None]
    if contents:
        hashes, vectors = (np.concatenate(arrays) for arrays in zip(*contents, strict=True))
        rows = list({key: row for row, key in enumerate(_keys(hashes))}.values())
        _write_shard(folder, hashes[rows], vectors[rows])
    for path, _ in batch:
        path.unlink(missing_ok=True)


def _size(path: Path) -> int:
    """Return a file's size in bytes, 0 if another process has just removed it."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
