"""RecBole's batches without their padding: rows of like length together, each part trimmed to its longest row."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from recbole.data.interaction import Interaction

from recbole_idp.data.rows import parts_of_like_length


@dataclass(frozen=True)
class TrimmedRows:
    """One of RecBole's batches, in parts.

    Attributes:
        parts (tuple[Interaction, ...]): The rows, shortest first.
        weights (tuple[float, ...]): Share of each part in the mean over the batch.
        n_targets (int): Rows of the batch.
    """

    parts: tuple
    weights: tuple
    n_targets: int

    def to(self, device):
        """Returns the batch on another device."""
        return TrimmedRows(tuple(part.to(device) for part in self.parts), self.weights, self.n_targets)

    def mean(self, losses: Iterable[torch.Tensor]) -> torch.Tensor:
        """Return the mean over the batch of losses that are each the mean over a part; a scalar.

        Args:
            losses: A scalar for each part.
        """
        return sum(weight * loss for weight, loss in zip(self.weights, losses, strict=True))


class TrimmedLoader:
    """Iterates over a RecBole loader, batch by batch as RecBole would, and trims what it yields.

    Models whose rows are padded on the right, and which look at no padding, give the same scores and the same mean
    loss; only the order of floating-point sums differs, and which random numbers dropout draws.

    Args:
        loader (TrainDataLoader): RecBole's loader.
        config (Config): Names the fields.
    """

    def __init__(self, loader, config):
        self.loader = loader
        self.length_field, self.suffix = config["ITEM_LIST_LENGTH_FIELD"], config["LIST_SUFFIX"]

    def __len__(self):
        return len(self.loader)

    def __iter__(self):
        for rows in self.loader:
            trimmed = self.trim(rows)
            # Of a last batch of few rows none may be hidden: RecBole's mean over nothing is not a number.
            if trimmed.parts:
                yield trimmed

    def trim(self, rows):
        """Splits a batch into trimmed parts.

        Args:
            rows (Interaction): B rows.

        Returns:
            TrimmedRows: The same rows but for parts without a target.
        """
        parts = [self._cut(rows[part]) for part in parts_of_like_length(rows[self.length_field])]
        weights = [_weight(part) for part in parts]
        total = sum(weights)
        kept = [part for part, weight in zip(parts, weights, strict=True) if weight]
        return TrimmedRows(tuple(kept), tuple(weight / total for weight in weights if weight), len(rows))

    def _cut(self, rows):
        longest = int(rows[self.length_field].max())
        columns = dict(rows.interaction)
        for name, values in columns.items():
            if name.endswith(self.suffix):
                columns[name] = values[:, :longest]
        if MASK_INDEX in columns:
            # Lists of hidden positions are padded on the left.
            width = max(1, int((columns[MASK_INDEX] > 0).sum(1).max()))
            for name in columns:
                if name == MASK_INDEX or name.startswith(("Pos_", "Neg_")):
                    columns[name] = columns[name][:, -width:].contiguous()
        return Interaction(columns)


MASK_INDEX = "MASK_INDEX"
"""Where RecBole's masked-item transform says which positions of a row are hidden; it counts none at position 0."""


def _weight(rows):
    """Returns over how many targets RecBole's loss of these rows is the mean."""
    return int((rows[MASK_INDEX] > 0).sum()) if MASK_INDEX in rows.interaction else len(rows)
