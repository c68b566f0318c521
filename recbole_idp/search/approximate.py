"""Search in large pools by faiss indexes that look at a part of the items only, until a measured recall is reached."""

import hashlib
import logging
import time
from pathlib import Path

import faiss
import numpy as np

from recbole_idp.storage.files import fingerprint, replacing

# HNSW: links of an item and candidates while it is inserted, faiss's customary values for high recall.
_LINKS, _CONSTRUCTION = 32, 128
# What an IVF's cells are learned from; faiss itself would take 256 an IVF cell.
_TRAINING_VECTORS = 64


def search_approximately(kind, targets, source_vectors, m, sample, recall, cache=None):
    """Builds an index, or takes it from the cache, and searches it ever wider until the wanted recall is reached.

    Args:
        kind (str): ``hnsw`` or ``ivf``.
        targets (np.ndarray): Rows of length one; shape [T, W].
        source_vectors (np.ndarray): Rows of length one; shape [S, W].
        m (int): At most S.
        sample (tuple[np.ndarray, np.ndarray]): Some targets, shape [Q, W], and their true m best cosines, shape [Q, m].
        recall (float): Wanted share of the true m best.
        cache (Path, optional): Where the index is kept.

    Returns:
        tuple[np.ndarray, np.ndarray, float]: Source rows and cosines, best first, both of shape [T, m]; and the recall
        on the sample.
    """
    index, widest = _find_or_build(kind, source_vectors, cache)
    queries, truth = sample
    reached, width = widen(index, kind, widest, queries, truth, recall)
    logging.getLogger().info(
        f"{kind} search of {len(source_vectors):,} source items: recall@{m} {reached:.4f} on {len(queries)} targets "
        f"compared with the exact search ({'efSearch' if kind == 'hnsw' else 'nprobe'} {width})"
    )
    similarities, rows = index.search(targets, m)
    return rows, similarities, reached


def widen(index, kind, widest, queries, truth, recall):
    """Lets an index look at ever more of the pool until it finds what is wanted.

    Args:
        index (faiss.Index): The index; it stays as it is set last.
        kind (str): ``hnsw`` or ``ivf``.
        widest (int): The widest search.
        queries (np.ndarray): Shape [Q, W].
        truth (np.ndarray): Their true m best similarities, best first; shape [Q, m].
        recall (float): Wanted share of the true m best.

    Returns:
        tuple[float, int]: The recall that is reached, and the width of the search.
    """
    m = truth.shape[1]
    width = min(m, widest)
    while True:
        _look_at(index, kind, width)
        reached = measured_recall(index.search(queries, m)[0], truth)
        if reached >= recall or width == widest:
            return reached, width
        width = min(2 * width, widest)


def measured_recall(found, truth):
    """Compares an approximate search with the exact one by the similarities, as equal items are as good as each other.

    Args:
        found (np.ndarray): Similarities, best first; shape [Q, m].
        truth (np.ndarray): Those of the true m best; shape [Q, m].

    Returns:
        float: Share of the found items that are as similar as the m-th best.
    """
    # Two matrix products of the same vectors differ in the last digits.
    return float((found >= truth[:, -1:] - 1e-5).mean())


def _look_at(index, kind, width):
    """Sets how much of the pool a search looks at."""
    if kind == "hnsw":
        index.hnsw.efSearch = width
    else:
        index.nprobe = width


def _find_or_build(kind, vectors, cache):
    """Returns an index, and the widest search of it, as :func:`build_index` does."""
    path = None if cache is None else Path(cache) / f"index-{kind}-{_digits(kind, vectors)}.faiss"
    if path is not None and path.is_file():
        try:
            return faiss.read_index(str(path)), _widest(kind, len(vectors))
        except RuntimeError as error:
            logging.getLogger().warning(f"{path} is damaged ({str(error).splitlines()[0]}); it is built again")
    started = time.perf_counter()
    index, widest = build_index(kind, vectors)
    logging.getLogger().info(f"{kind} index of {len(vectors):,} items built in {time.perf_counter() - started:.1f} s")
    if path is not None:
        with replacing(path) as temporary:
            faiss.write_index(index, str(temporary))
    return index, widest


def build_index(kind, vectors):
    """Builds an index for the inner product.

    Args:
        kind (str): ``hnsw`` or ``ivf``.
        vectors (np.ndarray): float32, shape [S, W].

    Returns:
        tuple[faiss.Index, int]: The index, and the widest search of it: all cells, or as many candidates as there are
        items.
    """
    width, widest = vectors.shape[1], _widest(kind, len(vectors))
    if kind == "hnsw":
        index = faiss.IndexHNSWFlat(width, _LINKS, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = _CONSTRUCTION
    else:
        index = faiss.IndexIVFFlat(faiss.IndexFlatIP(width), width, widest, faiss.METRIC_INNER_PRODUCT)
        index.cp.max_points_per_centroid = _TRAINING_VECTORS
        # faiss would print a warning where there are fewer vectors a cell than it likes.
        index.cp.min_points_per_centroid = 1
        index.train(vectors)
    index.add(vectors)
    return index, widest


def _widest(kind, n_vectors):
    return _n_cells(n_vectors) if kind == "ivf" else n_vectors


def _n_cells(n_vectors):
    """Returns 4 sqrt(S) cells, with which a search of a few per cent of them costs as much as finding the cells."""
    return max(1, min(n_vectors, round(4 * np.sqrt(n_vectors))))


def _digits(kind, vectors):
    """Returns 16 hexadecimal digits for the vectors and for how the index is built."""
    content = hashlib.sha256(np.ascontiguousarray(vectors).data).hexdigest()
    return fingerprint([kind, content, vectors.shape, _LINKS, _CONSTRUCTION, _TRAINING_VECTORS, faiss.__version__])
