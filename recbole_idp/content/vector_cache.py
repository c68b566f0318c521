"""Cache vectors by the hash of what they were made from, so that nothing is encoded twice.

A cache is a folder with a folder for each encoder, which holds shards: safetensors files with the hashes
of N contents and their vectors. Shards are added and removed as a whole, under unique names, so that an interrupted run
loses one block at most and several processes can share a cache. Each is signed by the user who wrote it: what others
have put there is not used.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from recbole_idp.storage.files import replacing
from recbole_idp.storage.signature import digest_of, is_signature, signature_of
from recbole_idp.terminal.progress import progress_bar

HASH_BYTES = 16
"""Bytes of the hash by which a content is known."""

_SMALL_SHARDS = 16  # more small shards than this are merged
_MERGED_ROWS = 65_536
_DIGEST, _SIGNATURE = "digest", "signature"
_log = logging.getLogger(__name__)


class Filled(NamedTuple):
    """Counts and time of one call of :func:`fill_vectors`.

    Attributes:
        encoded: Contents that were encoded.
        from_cache: Contents whose vectors were in the cache.
        seconds: Wall time of the encoding alone.
    """

    encoded: int
    from_cache: int
    seconds: float

    @property
    def per_second(self) -> float:
        """Encoded contents per second of encoding; 0 if none was encoded."""
        return self.encoded / self.seconds if self.encoded else 0.0


def cache_folder(cache_path: str | None, checkpoint_dir: str) -> Path:
    """Return the folder of the caches: ``cache_path``, or ``cache`` in ``checkpoint_dir``."""
    return Path(cache_path or Path(checkpoint_dir) / "cache")


def fill_vectors(
    folder: Path,
    hashes: Sequence[bytes],
    table: np.ndarray,
    encode: Callable[[np.ndarray, Callable[[int], object]], tuple[np.ndarray, np.ndarray]],
    block_rows: int,
    progress: tuple[bool, str],
) -> Filled:
    """Fill a table with known vectors, encode the others, and add these to the cache.

    hashes -> shards on disk -> missing contents, in blocks -> encoder -> new shards -> vectors

    Args:
        folder: The folder of one encoder, which is made if it is missing.
        hashes: Distinct hashes of M contents, of :data:`HASH_BYTES` each.
        table: Filled in place; float32, shape [M or more, width].
        encode: Takes rows of the table, int64 [B], and what advances the progress bar; returns those of the rows that
            can be encoded, [C], and their vectors [C, width]. The others keep what the table has.
        block_rows: Contents that are encoded before their vectors are written.
        progress: Whether to draw a progress bar on standard error, and what it is called.

    Returns:
        Counts and time.

    Raises:
        UserError: The cache cannot be written, or the disk is full.
    """
    found = _fill_from_shards(folder, {key: row for row, key in enumerate(hashes)}, table)
    missing, began = np.flatnonzero(~found), time.perf_counter()
    n_encoded = 0
    if missing.size:
        known = np.frombuffer(b"".join(hashes), dtype=np.uint8).reshape(-1, HASH_BYTES)
        shown, name = progress
        with progress_bar(shown=shown, total=len(missing), desc=name, unit="item") as bar:
            for start in range(0, len(missing), block_rows):
                rows, vectors = encode(missing[start : start + block_rows], bar.update)
                table[rows] = vectors
                n_encoded += len(rows)
                if len(rows):
                    _write_shard(folder, known[rows], table[rows])
    seconds = time.perf_counter() - began
    if n_encoded:
        _merge_small_shards(folder, table.shape[1])
    return Filled(n_encoded, len(hashes) - len(missing), seconds)


def _fill_from_shards(folder: Path, row_of_hash: Mapping[bytes, int], table: np.ndarray) -> np.ndarray:
    """Copy the vectors that the shards have into the table.

    Args:
        folder: The folder of one encoder.
        row_of_hash: Row of the table for each content's hash.
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
            wanted = np.array([pair for pair in pairs if pair[0] is not None], dtype=np.int64).reshape(-1, 2)
            table[wanted[:, 0]] = vectors[wanted[:, 1]]
            found[wanted[:, 0]] = True
    if strange := sum(
        (sealed := _metadata(path)) is not None and not _is_own(sealed, folder) for path in _shards(folder)
    ):
        _log.warning(
            "vector cache: %d shards of %s were written by another user or version, and are not used; delete them if "
            "you do not need them",
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
    return [content[start : start + HASH_BYTES] for start in range(0, len(content), HASH_BYTES)]


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
    """Return what is signed: the encoder, which the folder is named after, and the digest of contents and vectors."""
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
        _log.warning("vector cache: %s is damaged (%s); its contents are encoded again", path, error)
        return None
    shapes_fit = hashes.shape == (len(vectors), HASH_BYTES) and vectors.shape[1:] == (width,)
    digest = _digest(hashes, vectors)
    if not shapes_fit or vectors.dtype != np.float32 or not _is_own({**metadata, _DIGEST: digest}, path.parent):
        _log.warning("vector cache: %s is damaged (its content changed); its contents are encoded again", path)
        return None
    if path.is_symlink() or not np.isfinite(vectors).all():
        _log.warning(
            "vector cache: %s is a link, or has values that are not numbers; its contents are encoded again", path
        )
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
    large = _MERGED_ROWS // 2 * (width * 4 + HASH_BYTES)
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
