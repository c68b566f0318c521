"""Figures that describe the results of matching and generation: plain numbers, for reports to draw.

Shapes: S source items, T target items, m matches, W width of text vectors, D width of ID embeddings, P pairs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import spearmanr

from recbole_idp.models.idp.cdim.neighbours import NOBODY, nearest_others
from recbole_idp.search.vectors import normalised

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from recbole_idp.search.exact import Matches

NEAR_TWIN = 0.9
"""Cosine of text vectors from which on two items count as near twins. With sentence encoders such texts differ in a
word or in punctuation."""


def domain_shares(matches: Matches, weights: np.ndarray, domains: Sequence[str]) -> list[dict[str, Any]]:
    """Sum the weights of the matches by source domain, over all target items with text.

    Args:
        matches: T rows of m items.
        weights: Rows summing to one; shape [T, m].
        domains: Domain of each source item; length S.

    Returns:
        ``domain``, its share of the match ``mass``, and its share of the ``pool`` of source items, which random
        matching would give; largest mass first.
    """
    names, number = np.unique(domains, return_inverse=True)
    matched = matches.matched
    mass = np.bincount(number[matches.items[matched]].ravel(), weights[matched].ravel(), len(names))
    mass, pool = mass / max(mass.sum(), 1e-12), np.bincount(number, minlength=len(names)) / len(number)
    order = np.argsort(-mass, kind="stable")
    return [{"domain": str(names[row]), "mass": float(mass[row]), "pool": float(pool[row])} for row in order]


def best_similarities(matches: Matches, target_vectors: np.ndarray, source_vectors: np.ndarray) -> np.ndarray:
    """Compute the cosine of each target item and its most similar match, by vectors of any encoder.

    Args:
        matches: T rows of m items.
        target_vectors: Shape [T, W].
        source_vectors: Shape [S, W].

    Returns:
        Cosines of the target items with text; shape [at most T].
    """
    rows = np.flatnonzero(matches.matched)
    pairs = np.repeat(rows, matches.items.shape[1]), matches.items[rows].ravel()
    return cosines(target_vectors, source_vectors, *pairs).reshape(len(rows), -1).max(1)


def distribution(values: np.ndarray, low: float, high: float, n_bins: int = 40) -> dict[str, Any]:
    """Summarise values for a histogram and a table.

    Args:
        values: Shape [N], N at least one.
        low: Lower end of the histogram; values beyond its ends count in the outermost bins.
        high: Upper end.
        n_bins: Number of bins.

    Returns:
        ``count``, ``mean``, ``deviation``, ``quantiles`` (10, 50 and 90 %), and the histogram's ``edges`` and
        ``shares``.
    """
    shares, edges = np.histogram(np.clip(values, low, high), n_bins, (low, high))
    return {
        "count": len(values),
        "mean": float(values.mean()),
        "deviation": float(values.std()),
        "quantiles": [float(value) for value in np.quantile(values, (0.1, 0.5, 0.9))],
        "edges": edges.tolist(),
        "shares": (shares / len(values)).tolist(),
    }


def shapes(named: Mapping[str, np.ndarray]) -> dict[str, dict[str, Any]]:
    """Compare sets of embeddings by their norms and their spread.

    Args:
        named: Sets of embeddings; shape [any, D] each.

    Returns:
        For each set its ``norms`` (a :func:`distribution`, all with the same bins) and its ``spread``, the root of the
        mean squared distance from the mean.
    """
    norms = {name: np.linalg.norm(vectors, axis=1) for name, vectors in named.items()}
    highest = max(float(values.max()) for values in norms.values()) or 1.0
    return {
        name: {
            "norms": distribution(norms[name], 0.0, highest),
            "spread": float(np.sqrt(np.square(vectors - vectors.mean(0)).sum(1).mean())),
        }
        for name, vectors in named.items()
    }


def text_and_behaviour(
    text_vectors: np.ndarray,
    item_embeddings: np.ndarray,
    draw: np.random.Generator,
    n_items: int = 1000,
    n_pairs: int = 20_000,
    k: int = 10,
) -> dict[str, Any]:
    """Compare how similar source items' texts are with how similar their pre-trained ID embeddings are.

    Args:
        text_vectors: Shape [S, W].
        item_embeddings: Shape [S, D].
        draw: Source of the sample.
        n_items: Number of items whose nearest others are used.
        n_pairs: Number of random pairs.
        k: Number of nearest others, by text, of each of these items.

    Returns:
        Under ``random`` and ``neighbours``, for both kinds of pairs, Spearman's ``correlation`` of the two similarities
        (None where one of them is constant), the mean ``behaviour`` similarity and the number of ``pairs``; and
        ``curve``, rows of text similarity, mean behaviour similarity and number of pairs over all. Empty where fewer
        than three items have a text.
    """
    items = np.flatnonzero(np.any(text_vectors, axis=1))
    if len(items) < 3:
        return {}
    first = draw.integers(0, len(items), n_pairs)
    # Another item than the first: a step of 1 to n - 1 round the circle of items.
    second = (first + draw.integers(1, len(items), n_pairs)) % len(items)
    queries = draw.permutation(len(items))[:n_items]
    nearest = nearest_others(normalised(text_vectors[items]), queries, k, items)
    found = nearest != NOBODY
    pairs = {
        "random": (items[first], items[second]),
        "neighbours": (np.repeat(items[queries], k)[found.ravel()], nearest[found]),
    }
    figures, texts, behaviours = {}, [], []
    for name, (left, right) in pairs.items():
        text = cosines(text_vectors, text_vectors, left, right)
        behaviour = cosines(item_embeddings, item_embeddings, left, right)
        texts.append(text)
        behaviours.append(behaviour)
        figures[name] = {
            "correlation": rank_correlation(text, behaviour),
            "behaviour": float(behaviour.mean()),
            "pairs": len(text),
        }
    return {**figures, "curve": mean_by_bin(np.concatenate(texts), np.concatenate(behaviours))}


def rank_correlation(first: np.ndarray, second: np.ndarray) -> float | None:
    """Return Spearman's rank correlation; None where one side is constant."""
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return None
    return float(spearmanr(first, second).statistic)


def mean_by_bin(x: np.ndarray, y: np.ndarray, width: float = 0.1, least: int = 20) -> list[list[float]]:
    """Average y over bins of x.

    Args:
        x: Cosines; shape [P].
        y: Shape [P].
        width: Width of a bin.
        least: Bins with fewer values are left out.

    Returns:
        Mean x, mean y and number of values of each bin, in the order of x.
    """
    number = np.floor(np.clip(x, -1, 1 - 1e-6) / width).astype(int)
    found = []
    for one in np.unique(number):
        inside = number == one
        if inside.sum() >= least:
            found.append([float(x[inside].mean()), float(y[inside].mean()), int(inside.sum())])
    return found


def cosines(
    left: np.ndarray, right: np.ndarray, rows: np.ndarray, columns: np.ndarray, block: int = 20_000
) -> np.ndarray:
    """Return the cosine of ``left[rows[p]]`` and ``right[columns[p]]``, zero for vectors of zeros; shape [P]."""
    found = np.empty(len(rows), dtype=np.float32)
    for start in range(0, len(rows), block):
        part = slice(start, start + block)
        found[part] = np.einsum("pw,pw->p", normalised(left[rows[part]]), normalised(right[columns[part]]))
    return found
