"""For each target item the source items with the most similar texts (IDP, TOP(., m) of the embedding generation)."""

from dataclasses import dataclass

import numpy as np
import torch

from recbole_idp.search.approximate import search_approximately
from recbole_idp.search.vectors import normalised

# Scores that are looked at together, 16 MiB of them; a GPU wants more at once.
_TARGETS, _SOURCES = 1024, 4096
_GPU_TARGETS, _GPU_SOURCES = 4096, 65536


@dataclass(frozen=True)
class Matches:
    """The matched source items of each target item, best first. T target items, m matches.

    Attributes:
        items (np.ndarray): Row of each matched item in the bundle; shape [T, m].
        similarities (np.ndarray): Cosine of the text vectors; shape [T, m].
        matched (np.ndarray): False where the target item has no text; shape [T].
        recall (float): Share of the true m best that were found: one where the search is exact, else measured.
    """

    items: np.ndarray
    similarities: np.ndarray
    matched: np.ndarray
    recall: float = 1.0


def retrieve(target_vectors, source_vectors, m, search="exact", recall=0.95, cache=None, device="cpu"):
    """Finds the m source items whose text vectors have the largest cosine with each target item's.

    Args:
        target_vectors (np.ndarray): Text vectors, zero where an item has no text; shape [T, W].
        source_vectors (np.ndarray): Likewise; shape [S, W].
        m (int): Matches for each target item; at most as many are given as there are source items with text.
        search (str): ``exact``; for large S ``hnsw`` or ``ivf``, which look at a part of the source items only.
        recall (float): What an approximate search has to reach on a sample of the target items.
        cache (Path, optional): Folder in which the index of an approximate search is kept.
        device (str | torch.device): Where an exact search computes.

    Returns:
        Matches: The m best source items of each target item. Source items without text are never matched, unless none
        has one.
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
    sample = targets[matched] if matched.any() else targets
    sample = sample[np.linspace(0, len(sample) - 1, min(256, len(sample))).astype(int)]
    truth = search_exactly(sample, source_vectors, m, device)[1]
    rows, similarities, reached = search_approximately(
        search, targets, normalised(source_vectors), m, (sample, truth), recall, cache
    )
    return Matches(candidates[rows], similarities, matched, reached)


def search_exactly(targets, source_vectors, m, device="cpu"):
    """Compares every target item with every source item, a block of both at a time.

    Args:
        targets (np.ndarray): Rows of length one; shape [T, W].
        source_vectors (np.ndarray): Of any length; shape [S, W].
        m (int): At most S.
        device (str | torch.device): Where it computes.

    Returns:
        tuple[np.ndarray, np.ndarray]: Source rows and cosines, best first; both of shape [T, m].
    """
    on_gpu = torch.device(device).type == "cuda"
    height, width = (_GPU_TARGETS, _GPU_SOURCES) if on_gpu else (_TARGETS, _SOURCES)
    targets = torch.from_numpy(targets).to(device)
    best = torch.full((len(targets), m), -torch.inf, device=device)
    rows = torch.zeros((len(targets), m), dtype=torch.long, device=device)
    buffer = torch.empty(min(height, len(targets)) * min(width, len(source_vectors)), device=device)
    for first in range(0, len(source_vectors), width):
        block = torch.from_numpy(normalised(source_vectors[first : first + width])).to(device)
        for start in range(0, len(targets), height):
            part = slice(start, start + height)
            queries = targets[part]
            scores = buffer[: len(queries) * len(block)].view(len(queries), len(block))
            torch.mm(queries, block.T, out=scores)
            found, index = scores.topk(min(m, len(block)), dim=1)
            # Earlier rows stand first, so that they win where scores are equal.
            merged = torch.cat([best[part], found], 1)
            numbers = torch.cat([rows[part], index + first], 1)
            best[part], order = merged.topk(m, dim=1)
            rows[part] = numbers.gather(1, order)
    return rows.cpu().numpy(), best.cpu().numpy()


def random_matches(n_targets, n_sources, m, seed):
    """Draws source items instead of matching them: what IDP's gain is measured against.

    Args:
        n_targets (int): T.
        n_sources (int): S.
        m (int): Items for each target item.
        seed (int): Seed of the draw.

    Returns:
        Matches: Uniform items, all with similarity one.
    """
    m = min(m, n_sources)
    items = np.random.default_rng(seed).integers(0, n_sources, (n_targets, m))
    return Matches(items, np.ones((n_targets, m), dtype=np.float32), np.ones(n_targets, dtype=bool))
