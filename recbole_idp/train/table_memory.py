"""The memory that training with a large item table takes, estimated before the first step."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from recbole_idp.content.trainable.memory import gigabytes
from recbole_idp.errors import UserError
from recbole_idp.evaluation.ranking import chunk_rows

if TYPE_CHECKING:
    import torch
    from torch import nn

SPOKEN_OF = 1 << 30
"""Bytes from which on an estimate is shown; what takes less fits everywhere."""

_FLOAT = 4
# Of what is available: batches, what is freed and not given back, and the copy that a checkpoint is written from.
_USABLE = 0.8


@dataclass(frozen=True)
class TableMemory:
    """What decides on the memory of a training. All in bytes, but for the first two.

    Attributes:
        items: Number of items N.
        width: Width D of their vectors.
        weights: All weights and buffers, which are there already.
        trained: The trained weights.
        table: The item table; 0 where it is not trained.
        moments: Copies of the trained weights that the optimizer keeps, two of Adam.
        whole_softmax: Whether each target is compared with all items.
        by_rows: Whether a step updates the rows of the table that it reads.
        scores: Scores that an evaluation holds at a time, and what they are compared into.
    """

    items: int
    width: int
    weights: int
    trained: int
    table: int
    moments: int
    whole_softmax: bool
    by_rows: bool
    scores: int

    @property
    def gradients(self) -> int:
        """Bytes of gradients: none of the table where rows are updated; two more of the softmax over all items."""
        own = self.trained - (self.table if self.by_rows and not self.whole_softmax else 0)
        return own + (2 * self.table if self.whole_softmax else 0)

    @property
    def needed(self) -> int:
        """Bytes that training takes besides the weights."""
        return self.gradients + self.moments * self.trained + self.scores

    def remedy(self, room: int, by_rows_key: str | None, negatives_key: str) -> str:
        """Return what to give so that training takes less.

        Args:
            room: The bytes that there are.
            by_rows_key: The key that updates the rows that are read; None: there is none.
            negatives_key: The key of the number of negatives.

        Returns:
            The first option with which it fits; otherwise what makes the table smaller.
        """
        sampled = dataclasses.replace(self, whole_softmax=False)
        rows = dataclasses.replace(sampled, by_rows=True)
        options = {f"--{negatives_key}=1024": sampled}
        if by_rows_key:
            also = f" --{negatives_key}=1024" if self.whole_softmax else ""
            options[f"--{by_rows_key}=true{also}"] = rows
        for option, smaller in options.items():
            if smaller.needed < self.needed and smaller.needed <= room:
                return f"give {option}, with which it is about {gigabytes(smaller.needed)}"
        return "give a smaller hidden_size, or drop rare items by item_inter_num_interval"

    def line(self, room: int | None) -> str:
        """Return the estimate in words.

        Args:
            room: The bytes that there are; None: not known.
        """
        there = "" if room is None else f"; {gigabytes(room)} may be used"
        return (
            f"Training {self.items:,} items of width {self.width} takes about {gigabytes(self.weights + self.needed)} "
            f"of memory: weights {gigabytes(self.weights)}, gradients {gigabytes(self.gradients)}, optimizer "
            f"{gigabytes(self.moments * self.trained)}, scores {gigabytes(self.scores)}{there}"
        )


def table_memory(model: Any, optimizer: torch.optim.Optimizer, config: Any, by_rows: bool) -> TableMemory:
    """Estimate the memory of a training.

    Args:
        model: A :class:`~recbole_idp.models.base.sequence_model.SequenceModel`.
        optimizer: Its optimizer.
        config: The configuration of the training.
        by_rows: Whether a step updates the rows of the item table that it reads.
    """
    table: nn.Parameter = model.item_embedding.weight
    moments = {"adam": 2, "adamw": 2, "sparseadam": 2}.get(type(optimizer).__mro__[-3].__name__.lower(), 1)
    rows = chunk_rows(model.n_items, config["MAX_ITEM_LIST_LENGTH"])
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return TableMemory(
        items=model.n_items,
        width=table.shape[1],
        weights=sum(each.nbytes for each in (*model.parameters(), *model.buffers())),
        trained=sum(parameter.nbytes for parameter in trained),
        table=table.nbytes if table.requires_grad else 0,
        moments=moments,
        whole_softmax=model.loss.n_drawn(1) is None,
        by_rows=by_rows,
        scores=2 * _FLOAT * rows * model.n_items,
    )


def check_fits(memory: TableMemory, room: int | None, remedy: str) -> None:
    """Check that a training fits.

    Args:
        memory: What it takes.
        room: The bytes that there are; None: not known.
        remedy: What to give otherwise.

    Raises:
        UserError: It takes more.
    """
