"""Matching of target items to source items, with random unit vectors in the place of texts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

# Loaded with the process, so that its memory is not that of the stage.
from recbole_idp.search import approximate  # noqa: F401
from recbole_idp.search.exact import retrieve
from recbole_idp.search.vectors import normalised

if TYPE_CHECKING:
    from recbole_idp.benchmark.scale.meter import Meter
    from recbole_idp.benchmark.scale.request import Request

WIDTH = 384
"""Width of the vectors, that of MiniLM."""

_ITEMS_OF_A_KIND = 100
_BLOCK = 1 << 16


def exact(request: Request, meter: Meter) -> None:
    """Measure the exact search."""
    _measure("match", "exact", request, meter)


def ivf(request: Request, meter: Meter) -> None:
    """Measure the search by an inverted file, its making included."""
    _measure("match_ivf", "ivf", request, meter)


def _measure(stage: str, search: str, request: Request, meter: Meter) -> None:
    config, random = request.made_config(), np.random.default_rng(request.config["seed"])
    n_kinds = max(1, request.size.items // _ITEMS_OF_A_KIND)
    kinds = random.standard_normal((n_kinds, WIDTH), dtype=np.float32)
    sources, targets = (_around(kinds, count, random) for count in (request.size.items, request.targets))
    with meter.stage(stage) as facts:
        matches = retrieve(targets, sources, config["top_m"], search, config["search_recall"])
        facts["recall"] = matches.recall
        facts["targets"] = len(targets)
        facts["table_mb"] = round(sources.nbytes / (1 << 20), 1)


def _around(kinds: np.ndarray, count: int, random: np.random.Generator) -> np.ndarray:
    """Draw unit vectors, each near that of its kind as titles of one kind of product are; shape [C, W]."""
    vectors = np.empty((count, WIDTH), dtype=np.float32)
    for first in range(0, count, _BLOCK):
        part = vectors[first : first + _BLOCK]
        own = random.standard_normal(part.shape, dtype=np.float32)
        part[:] = normalised(kinds[random.integers(len(kinds), size=len(part))] + own)
    return vectors
