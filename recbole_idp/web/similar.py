"""Items that are like an item, by the model's vectors."""

from __future__ import annotations

import torch
from torch.nn import functional


class SimilarItems:
    """The nearest items by the cosine of their candidate vectors.

    Args:
        vectors: Candidate vectors of items, row 0 being padding; shape [N, D].
    """

    def __init__(self, vectors: torch.Tensor) -> None:
        self._directions = functional.normalize(vectors, dim=1)

    @torch.inference_mode()
    def of(self, number: int, k: int) -> list[tuple[int, float]]:
        """Return the k items nearest to an item, without itself, and their cosines, the best first.

        Args:
            number: The item's number.
            k: Items to return, fewer where there are no more.
        """
        cosines = self._directions @ self._directions[number]
        cosines[[0, number]] = -torch.inf
        found, items = cosines.topk(min(k, len(cosines) - 2))
        return list(zip(items.tolist(), found.tolist(), strict=True))
