"""Search an inverted file for many queries at once: a cell is read once, and compared with all that look into it.

faiss's own search of an index reads the cells again for each query. Its ``contrib.big_batch_search`` does what is done
here, but prints a line for each cell.
"""

from __future__ import annotations

import faiss
import numpy as np
from faiss.contrib.inspect_tools import get_invlist

# Pairs of a query and a cell that are sorted together, 16 bytes each.
_PAIRS = 1 << 24


def search_cells(index: faiss.IndexIVFFlat, queries: np.ndarray, m: int) -> tuple[np.ndarray, np.ndarray]:
    """Find the m best of each query in the ``nprobe`` cells that are nearest to it, as the index's own search does.

    Args:
        index: An index of inner products.
        queries: float32; shape [T, W].
        m: Number of items to find for each query.

    Returns:
        Similarities, best first, and rows, both of shape [T, m]. Where the cells have fewer items, the last
        similarities are the lowest number there is.
    """
    height = max(1, _PAIRS // index.nprobe)
    parts = [_search(index, queries[first : first + height], m) for first in range(0, len(queries), height)]
    return np.concatenate([best for best, _ in parts]), np.concatenate([rows for _, rows in parts])


def _search(index: faiss.IndexIVFFlat, queries: np.ndarray, m: int) -> tuple[np.ndarray, np.ndarray]:
    """Search for some queries; arguments and result as of :func:`search_cells`."""
    nearest = index.quantizer.search(queries, index.nprobe)[1].ravel()
    pairs = np.argsort(nearest, kind="stable")
    bounds = np.searchsorted(nearest[pairs], np.arange(index.nlist + 1))
    lookers = pairs // index.nprobe
    heap = faiss.ResultHeap(len(queries), m, keep_max=True)
    for cell in np.flatnonzero(np.diff(bounds)).tolist():
        numbers, codes = get_invlist(index.invlists, cell)
        if len(numbers) == 0:
            continue
        some = lookers[bounds[cell] : bounds[cell + 1]]
        vectors = codes.view(np.float32).reshape(len(numbers), index.d)
        best, found = faiss.knn(queries[some], vectors, min(m, len(numbers)), faiss.METRIC_INNER_PRODUCT)
        heap.add_result_subset(some, best, numbers[found])
    heap.finalize()
    return heap.D, heap.I
