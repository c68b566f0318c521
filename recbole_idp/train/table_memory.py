"""The memory that training with a large item table takes, estimated before the first step."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from recbole_idp.content.trainable.memory import gigabytes
from recbole_idp.errors import UserError

SPOKEN_OF = 1 << 30
"""Bytes from which on an estimate is shown; what takes less fits everywhere."""

# Of what is available. The rest is for batches, and for what is freed and not given back.
_USABLE = 0.8
# Gradients of all items that the softmax over all of them holds besides the one of the table.
_OF_WHOLE_SOFTMAX = 2


@dataclass(frozen=True)
class TableMemory:
    """What decides on the memory of a training: N items of width D, and sizes in bytes.

    Attributes:
        items: Number of items N.
        width: Width D of their vectors.
        weights: All weights and buffers, which are there already.
        trained: The trained weights, the table among them.
        table: The item table.
        moments: How many copies of the trained weights the optimizer keeps.
        scores: Scores that an evaluation holds at a time, and what they are compared into.
        whole_softmax: Whether each target is compared with all items.
        by_rows: Whether a step updates only the rows of the table that it reads.
    """

    items: int
    width: int
    weights: int
    trained: int
    table: int
    moments: int
    scores: int
    whole_softmax: bool
    by_rows: bool

    @property
    def gradients(self) -> int:
        """Bytes of gradients."""
        if self.whole_softmax:
            return self.trained + _OF_WHOLE_SOFTMAX * self.table
        return self.trained - self.table if self.by_rows else self.trained

    @property
    def needed(self) -> int:
        """Bytes that training takes besides the weights."""
        return self.gradients + self.moments * self.trained + self.scores

    def line(self, available: int | None) -> str:
        """Return the estimate in words.

        Args:
            available: The bytes that can still be taken; None: not known.
        """
        rest = "" if available is None else f"; {gigabytes(available)} are available"
        return (
            f"Training {self.items:,} items of width {self.width} takes about {gigabytes(self.needed)} of memory "
            f"besides the weights of {gigabytes(self.weights)}: gradients {gigabytes(self.gradients)}, optimizer "
            f"{gigabytes(self.moments * self.trained)}, scores {gigabytes(self.scores)}{rest}"
        )

    def check(self, available: int | None, negatives_key: str, by_rows_key: str | None) -> None:
        """Check that it fits.

        Args:
            available: The bytes that can still be taken; None: not known.
            negatives_key: The key of the number of negatives.
            by_rows_key: The key of updates by rows; None: there is none.

        Raises:
            UserError: It does not; the message names the key that helps.
        """
        if available is None or self.needed <= _USABLE * available:
            return
        raise UserError(
            f"training {self.items:,} items of width {self.width} takes about {gigabytes(self.needed)} of memory "
            f"besides the weights, and {gigabytes(available)} are available: "
            f"{self._remedy(_USABLE * available, negatives_key, by_rows_key)}"
        )

    def _remedy(self, room: float, negatives_key: str, by_rows_key: str | None) -> str:
        """Return the first option with which it fits, or else what makes the table smaller."""
        smaller, options = self, []
        if self.whole_softmax:
            smaller = dataclasses.replace(smaller, whole_softmax=False)
            options.append(f"--{negatives_key}=1024")
            if smaller.needed <= room:
                return f"give {options[0]}, with which it is about {gigabytes(smaller.needed)}"
        if by_rows_key and not self.by_rows:
            smaller = dataclasses.replace(smaller, by_rows=True)
            options.append(f"--{by_rows_key}=true")
            if smaller.needed <= room:
                return f"give {' '.join(options)}, with which it is about {gigabytes(smaller.needed)}"
        return "give a smaller hidden_size, or drop rare items by item_inter_num_interval"
