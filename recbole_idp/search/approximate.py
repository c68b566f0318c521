"""Search large pools by faiss indexes that compare a part of the items only, until a measured recall is reached."""

import hashlib
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

import faiss
import numpy as np

from recbole_idp.search.cells import search_cells
from recbole_idp.search.exact import search_exactly
from recbole_idp.search.vectors import normalised
from recbole_idp.storage.files import fingerprint, replacing

# HNSW: links of an item and candidates while it is inserted, faiss's customary values for high recall.
_LINKS, _CONSTRUCTION = 32, 128
# Vectors for each cell that an IVF index learns its cells from; faiss itself would take 256.
_TRAINING_VECTORS = 64
# Cells as a multiple of sqrt(S). Where queries are searched one by one, looking into a few per cent of 4 sqrt(S) costs
# as much as finding these. Cells that are read once for all queries may be larger, and half as many are learned in a
# quarter of the time.
_CELLS, _CELLS_TOGETHER = 4, 2
# Vectors that are copied into an index together.
_BLOCK = 1 << 16
# Below all cosines, and above what faiss gives for an item that it has not found.
_NO_COSINE = -2


def search_approximately(
    kind: str,
    targets: np.ndarray,
    source_vectors: np.ndarray,
    m: int,
    sample: tuple[np.ndarray, np.ndarray],
    recall: float,
    cache: str | Path | None = None,
) -> tuple[np.ndarray, np.ndarray, float]:
    """Build an index, or take it from the cache, and widen its search until the wanted recall is reached.

    Args:
        kind: ``hnsw`` or ``ivf``.
        targets: Rows of length one; shape [T, W].
        source_vectors: Rows of any length but zero; shape [S, W].
        m: Number of matches of each target, at most S.
        sample: Some targets, shape [Q, W], and their true m best cosines, shape [Q, m].
        recall: Wanted share of the true m best.
        cache: Folder in which the index is kept.

    Returns:
        Rows of the source vectors, and cosines, best first, both of shape [T, m]; and the recall on the sample.
    """
    index, widest = _find_or_build(kind, source_vectors, cache)
    queries, truth = sample
    reached, width = widen(index, kind, widest, queries, truth, recall)
    logging.getLogger().info(
        f"{kind} search of {len(source_vectors):,} source items: recall@{m} {reached:.4f} on {len(queries)} targets "
        f"compared with the exact search ({'efSearch' if kind == 'hnsw' else 'nprobe'} {width})"
    )
    if kind == "ivf":
        similarities, rows = search_cells(cast("faiss.IndexIVFFlat", index), targets, m)
    else:
        similarities, rows = index.search(targets, m)
    # What was looked at for a target may have fewer items than matches are wanted.
    short = np.flatnonzero(similarities[:, -1] < _NO_COSINE)
    if len(short):
        rows[short], similarities[short] = search_exactly(targets[short], source_vectors, m)
    return rows, similarities, reached


def widen(
    index: faiss.Index, kind: str, widest: int, queries: np.ndarray, truth: np.ndarray, recall: float
) -> tuple[float, int]:
    """Double the width of an index's search until it reaches the wanted recall or the widest search.

    Args:
        index: The index; it keeps the last width.
        kind: ``hnsw`` or ``ivf``.
        widest: The widest search.
        queries: The sample of targets; shape [Q, W].
        truth: Their true m best similarities, best first; shape [Q, m].
        recall: Wanted share of the true m best.

    Returns:
        The recall that is reached, and the width of the search.
    """
    m = truth.shape[1]
    width = min(m, widest)
    while True:
        _look_at(index, kind, width)
        reached = measured_recall(index.search(queries, m)[0], truth)
        if reached >= recall or width == widest:
            return reached, width
        width = min(2 * width, widest)


def measured_recall(found: np.ndarray, truth: np.ndarray) -> float:
    """Compare an approximate search with the exact one by the similarities, because equal items are equally good.

    Args:
        found: Similarities, best first; shape [Q, m].
        truth: Similarities of the true m best, best first; shape [Q, m].

    Returns:
        Share of the found items that are as similar as the m-th best.
    """
    # Two matrix products of the same vectors differ in the last digits.
    return float((found >= truth[:, -1:] - 1e-5).mean())


def _look_at(index: faiss.Index, kind: str, width: int) -> None:
    """Set the width of a search: the part of the pool that it compares."""
    if kind == "hnsw":
        index.hnsw.efSearch = width  # type: ignore[attr-defined]  # an IndexHNSWFlat
    else:
        index.nprobe = width  # type: ignore[attr-defined]  # an IndexIVFFlat


def _find_or_build(kind: str, vectors: np.ndarray, cache: str | Path | None) -> tuple[faiss.Index, int]:
    """Read an index from the cache, or build it; return what :func:`build_index` returns."""
    path = None if cache is None else Path(cache) / f"index-{kind}-{_digits(kind, vectors)}.faiss"
    if path is not None and path.is_file():
        try:
            return faiss.read_index(str(path)), _widest(kind, len(vectors), _CELLS_TOGETHER)
        except RuntimeError as error:
            logging.getLogger().warning(f"{path} is damaged ({str(error).splitlines()[0]}); it is built again")
    started = time.perf_counter()
    index, widest = build_index(kind, vectors, _CELLS_TOGETHER, normalised)
    logging.getLogger().info(f"{kind} index of {len(vectors):,} items built in {time.perf_counter() - started:.1f} s")
    if path is not None:
        with replacing(path) as temporary:
            faiss.write_index(index, str(temporary))
    return index, widest


def build_index(
    kind: str,
    vectors: np.ndarray,
    cells: int = _CELLS,
    prepared: Callable[[np.ndarray], np.ndarray] = np.ascontiguousarray,
) -> tuple[faiss.Index, int]:
    """Build an index for the inner product, besides which a block of the vectors is copied at a time.

    Args:
        kind: ``hnsw`` or ``ivf``.
        vectors: float32, shape [S, W].
        cells: Cells of ``ivf``, as a multiple of sqrt(S).
        prepared: Returns what stands in the index for some of the vectors.

    Returns:
        The index, and the width of its widest search: all cells, or as many candidates as there are items.
    """
    width, widest = vectors.shape[1], _widest(kind, len(vectors), cells)
    index: faiss.IndexHNSWFlat | faiss.IndexIVFFlat
    if kind == "hnsw":
        index = faiss.IndexHNSWFlat(width, _LINKS, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = _CONSTRUCTION
    else:
        index = faiss.IndexIVFFlat(faiss.IndexFlatIP(width), width, widest, faiss.METRIC_INNER_PRODUCT)
        index.cp.max_points_per_centroid = _TRAINING_VECTORS
        # faiss would print a warning where there are fewer vectors a cell than it likes.
        index.cp.min_points_per_centroid = 1
        index.train(prepared(vectors[_some(len(vectors), widest * _TRAINING_VECTORS)]))
    for first in range(0, len(vectors), _BLOCK):
        index.add(prepared(vectors[first : first + _BLOCK]))
    return index, widest


def _some(n_vectors: int, wanted: int) -> np.ndarray:
    """Draw rows to learn cells from, always the same ones, in ascending order; all of them if there are too few."""
    if n_vectors <= wanted:
        return np.arange(n_vectors)
    return np.sort(np.random.default_rng(0).choice(n_vectors, wanted, replace=False))


def _widest(kind: str, n_vectors: int, cells: int) -> int:
    """Return the width of the widest search of an index: all cells, or as many candidates as there are vectors."""
    return max(1, min(n_vectors, round(cells * np.sqrt(n_vectors)))) if kind == "ivf" else n_vectors


def _digits(kind: str, vectors: np.ndarray) -> str:
    """Return 16 hexadecimal digits that identify the vectors and the way in which the index is built."""
    content = hashlib.sha256(np.ascontiguousarray(vectors).data).hexdigest()
    settings = [_LINKS, _CONSTRUCTION, _TRAINING_VECTORS, _CELLS_TOGETHER]
    return fingerprint([kind, content, vectors.shape, *settings, faiss.__version__])
