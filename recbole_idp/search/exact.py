"""Match each target item to the source items with the most similar texts (IDP, TOP(., m) of embedding generation)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from recbole_idp.search.vectors import normalised

# Scores that are computed together, 16 MiB of them; a GPU needs more at once.
_TARGETS, _SOURCES = 1024, 4096
_GPU_TARGETS, _GPU_SOURCES = 4096, 65536


@dataclass(frozen=True)
class Matches:
    """The matched source items of each target item, best first. T target items, m matches.

    Attributes:
        items: Row of each matched item in the bundle; shape [T, m].
        similarities: Cosine of the text vectors; shape [T, m].
        matched: False if the target item has no text; shape [T].
        recall: Share of the true m best that were found: 1 if the search is exact, else measured.
    """

    items: np.ndarray
    similarities: np.ndarray
    matched: np.ndarray
    recall: float = 1.0


def retrieve(
    target_vectors: np.ndarray,
    source_vectors: np.ndarray,
    m: int,
    search: str = "exact",
    recall: float = 0.95,
    cache: str | Path | None = None,
    device: str | torch.device = "cpu",
) -> Matches:
    """Find the m source items whose text vectors have the largest cosine with each target item's.

    Args:
        target_vectors: Text vectors, zero for an item without text; shape [T, W].
        source_vectors: Text vectors, zero for an item without text; shape [S, W].
        m: Matches of each target item, at most the number of source items with text.
        search: ``exact``; for large S ``hnsw`` or ``ivf``, which compare a part of the source items only.
        recall: The recall that an approximate search must reach on a sample of the target items.
        cache: Folder in which the index of an approximate search is kept.
        device: Device of an exact search.

    Returns:
        The m best source items of each target item. Source items without text are never matched, unless none has one.
    """
    candidates = np.flatnonzero(np.any(source_vectors, axis=1))
    if 0 < len(candidates) < len(source_vectors):
        source_vectors = source_vectors[candidates]
    else:
        candidates = np.arange(len(source_vectors))
    m = min(m, len(candidates))
    matched = np.any(target_vectors, axis=1)
    targets = normalised(target_vectors)
    if search == "exact":
        rows, similarities = search_exactly(targets, source_vectors, m, device)
        return Matches(candidates[rows], similarities, matched)
    # Only here: what serves a trained model needs no faiss, which takes a while to load.
    from recbole_idp.search.approximate import search_approximately

    sample = targets[matched] if matched.any() else targets
    sample = sample[np.linspace(0, len(sample) - 1, min(256, len(sample))).astype(int)]
    truth = search_exactly(sample, source_vectors, m, device)[1]
    rows, similarities, reached = search_approximately(
        search, targets, source_vectors, m, (sample, truth), recall, cache
    )
    return Matches(candidates[rows], similarities, matched, reached)


def search_exactly(
    targets: np.ndarray, source_vectors: np.ndarray, m: int, device: str | torch.device = "cpu"
) -> tuple[np.ndarray, np.ndarray]:
    """Compare every target item with every source item, a block of both at a time.

    Args:
        targets: Rows of length one; shape [T, W].
        source_vectors: Rows of any length; shape [S, W].
        m: Number of matches of each target, at most S.
        device: Device of the computation.

    Returns:
        Rows of the source vectors, and cosines, best first; both of shape [T, m].
    """
    on_gpu = torch.device(device).type == "cuda"
    height, width = (_GPU_TARGETS, _GPU_SOURCES) if on_gpu else (_TARGETS, _SOURCES)
    vectors = torch.from_numpy(targets).to(device)
    best = torch.full((len(targets), m), -torch.inf, device=device)
    rows = torch.zeros((len(targets), m), dtype=torch.long, device=device)
    buffer = torch.empty(min(height, len(targets)) * min(width, len(source_vectors)), device=device)
    for first in range(0, len(source_vectors), width):
        block = torch.from_numpy(normalised(source_vectors[first : first + width])).to(device)
        for start in range(0, len(targets), height):
            part = slice(start, start + height)
            queries = vectors[part]
            scores = buffer[: len(queries) * len(block)].view(len(queries), len(block))
            torch.mm(queries, block.T, out=scores)
            found, index = scores.topk(min(m, len(block)), dim=1)
            # Earlier rows come first, so that they win ties.
            merged = torch.cat([best[part], found], 1)
            numbers = torch.cat([rows[part], index + first], 1)
            best[part], order = merged.topk(m, dim=1)
            rows[part] = numbers.gather(1, order)
    return rows.cpu().numpy(), best.cpu().numpy()


def random_matches(n_targets: int, n_sources: int, m: int, seed: int) -> Matches:
    """Draw source items instead of matching them: the baseline of IDP's gain.

    Args:
        n_targets: Number of target items T.
        n_sources: Number of source items S.
        m: Source items of each target item.
        seed: Seed of the draw.

    Returns:
        Items drawn uniformly, all with similarity 1.
    """
    m = min(m, n_sources)
    items = np.random.default_rng(seed).integers(0, n_sources, (n_targets, m))
    return Matches(items, np.ones((n_targets, m), dtype=np.float32), np.ones(n_targets, dtype=bool))
