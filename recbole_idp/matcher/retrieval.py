"""For each target item the source items with the most similar texts (IDP, TOP(., m) of the embedding generation)."""

from dataclasses import dataclass

import faiss
import numpy as np


@dataclass(frozen=True)
class Matches:
    """The matched source items of each target item, best first. T target items, m matches.

    Attributes:
        items (np.ndarray): Row of each matched item in the bundle; shape [T, m].
        similarities (np.ndarray): Cosine of the text vectors; shape [T, m].
        matched (np.ndarray): False where the target item has no text; shape [T].
    """

    items: np.ndarray
    similarities: np.ndarray
    matched: np.ndarray


def retrieve(target_vectors, source_vectors, m):
    """Searches exactly, by cosine.

    Args:
        target_vectors (np.ndarray): Text vectors, zero where an item has no text; shape [T, W].
        source_vectors (np.ndarray): Likewise; shape [S, W].
        m (int): Matches for each target item; at most S are given.

    Returns:
        Matches: The m best source items of each target item. Source items without text are never matched as long as
        there are m others.
    """
    index = faiss.IndexFlatIP(source_vectors.shape[1])
    index.add(normalised(source_vectors))
    similarities, items = index.search(normalised(target_vectors), min(m, len(source_vectors)))
    return Matches(items, similarities, np.linalg.norm(target_vectors, axis=1) > 0)


def normalised(vectors):
    """Returns the rows as float32 of length one; rows of zeros stay as they are."""
    vectors = np.asarray(vectors, dtype=np.float32)
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.ascontiguousarray(vectors / np.where(norms > 0, norms, 1))


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
