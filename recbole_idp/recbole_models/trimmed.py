"""RecBole's batches without their padding: rows of like length together, each part trimmed to its longest row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from recbole.data.dataloader import TrainDataLoader
from recbole.data.interaction import Interaction

from recbole_idp.data.rows import parts_of_like_length


@dataclass(frozen=True)
class TrimmedRows:
    """One of RecBole's batches, in parts.

    Attributes:
        parts: The rows, shortest first.
        weights: Share of each part in the mean over the batch.
        n_targets: Rows of the batch.
    """

    parts: tuple[Interaction, ...]
    weights: tuple[float, ...]
    n_targets: int

    def to(self, device: torch.device) -> TrimmedRows:
        """Return the batch on another device."""
        return TrimmedRows(tuple(part.to(device) for part in self.parts), self.weights, self.n_targets)

    def mean(self, losses: Iterable[torch.Tensor]) -> torch.Tensor:
        """Return the mean over the batch of losses that are each the mean over a part; a scalar.

        Args:
            losses: A scalar for each part.
        """
        total: Any = sum(weight * loss for weight, loss in zip(self.weights, losses, strict=True))
        return total


class TrimmedLoader:
    """Loader of RecBole's batches in its order, each trimmed.

    Models whose rows are padded on the right, and which ignore padding, give the same scores and the same mean
    loss; only the order of floating-point sums and the random numbers of dropout differ.

    Args:
        loader: RecBole's loader.
        length_field: Field of the length of a history.
        suffix: Last part of the names of fields that hold lists.
    """

    def __init__(self, loader: TrainDataLoader, length_field: str, suffix: str) -> None:
        self.loader, self.length_field, self.suffix = loader, length_field, suffix

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[TrimmedRows]:
        for rows in self.loader:
            trimmed = self.trim(rows)
            # A last batch of few rows may have no masked item, and RecBole's mean over nothing is not a number.
            if trimmed.parts:
                yield trimmed

    def trim(self, rows: Interaction) -> TrimmedRows:
        """Split a batch into trimmed parts.

        Args:
            rows: B rows.

        Returns:
            The same rows, without parts that have no target.
        """
        parts = [self._cut(rows[part]) for part in parts_of_like_length(rows[self.length_field])]
        weights = [_weight(part) for part in parts]
        total = sum(weights)
        kept = [part for part, weight in zip(parts, weights, strict=True) if weight]
        return TrimmedRows(tuple(kept), tuple(weight / total for weight in weights if weight), len(rows))

    def _cut(self, rows: Interaction) -> Interaction:
        """Cut the lists of some rows to the longest of them."""
        longest = int(rows[self.length_field].max())
        columns = dict(rows.interaction)
        for name, values in columns.items():
            if name.endswith(self.suffix):
                columns[name] = values[:, :longest]
        if MASK_INDEX in columns:
            # Lists of masked positions are padded on the left.
            width = max(1, int((columns[MASK_INDEX] > 0).sum(1).max()))
            for name in columns:
                if name == MASK_INDEX or name.startswith(("Pos_", "Neg_")):
                    columns[name] = columns[name][:, -width:].contiguous()
        return Interaction(columns)


MASK_INDEX = "MASK_INDEX"
"""Field of RecBole's masked-item transform with the masked positions of a row; it does not count position 0."""


def _weight(rows: Interaction) -> int:
    """Return the number of targets in RecBole's mean loss of these rows."""
    return int((rows[MASK_INDEX] > 0).sum()) if MASK_INDEX in rows.interaction else len(rows)
