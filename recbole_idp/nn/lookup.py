"""Look up rows of a large embedding table, with one gradient for all look-ups of a step."""

from typing import Any, NamedTuple

import torch
from torch.autograd import Variable
from torch.nn import functional


class RowGradient(NamedTuple):
    """The gradient of some rows of a table. U distinct rows, D width.

    Attributes:
        rows: Numbers of the rows, in ascending order; int64, shape [U].
        values: Their gradients; shape [U, D].
    """

    rows: torch.Tensor
    values: torch.Tensor

    @classmethod
    def sum_of(cls, parts: list[tuple[torch.Tensor, torch.Tensor]]) -> "RowGradient":
        """Add up gradients of rows that occur several times, in the order in which they are given."""
        indices, values = (torch.cat(part) for part in zip(*parts, strict=True))
        rows, inverse = torch.unique(indices, return_inverse=True)
        return cls(rows, values.new_zeros(len(rows), values.shape[1]).index_add_(0, inverse, values))


class _Lookup(torch.autograd.Function):
    """Adds the gradient of the chosen rows to ``table.grad`` in place.

    PyTorch makes a zero matrix of the table's size for each look-up of a step and adds them up. With 80 thousand items
    this takes a quarter of the time of a training step. One matrix, kept from step to step, serves all of them; none is
    needed where the gradients of the rows are collected.
    """

    @staticmethod
    def forward(ctx: Any, table: torch.Tensor, indices: torch.Tensor) -> torch.Tensor:
        ctx.table, ctx.indices = table, indices
        return functional.embedding(indices, table)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[None, None]:
        indices, values = ctx.indices.flatten(), gradient.reshape(-1, ctx.table.shape[1])
        collected = getattr(ctx.table, "collected_rows", None)
        if collected is None:
            _dense_gradient(ctx.table).index_add_(0, indices, values)
        else:
            collected.append((indices, values))
        return None, None


class _LookupOfCandidates(torch.autograd.Function):
    """Looks up targets and negatives; their gradients are added up before they meet those of the inputs.

    Sums come out as where PyTorch differentiates two look-ups in a view of the table: gradients of the targets' rows,
    plus those of the negatives' rows, and this added to all others when the backward pass ends.
    """

    @staticmethod
    def forward(
        ctx: Any, table: Any, targets: torch.Tensor, negatives: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        ctx.table, ctx.indices = table, (targets, negatives)
        # What a failed backward pass may have left.
        table.waiting_rows = None
        return functional.embedding(targets, table), functional.embedding(negatives, table)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[None, None, None]:
        table, width = ctx.table, ctx.table.shape[1]
        parts = [
            RowGradient.sum_of([(indices.flatten(), gradient.reshape(-1, width))])
            for indices, gradient in zip(ctx.indices, gradients, strict=True)
        ]
        total = RowGradient.sum_of([*parts])
        collected = getattr(table, "collected_rows", None)
        if collected is not None:
            collected.append(total)
            return None, None, None
        if table.waiting_rows is None:
            table.waiting_rows = [total]
            Variable._execution_engine.queue_callback(lambda: _add_waiting(table))  # type: ignore[attr-defined]
        else:
            table.waiting_rows.append(total)
        return None, None, None


def _add_waiting(table: Any) -> None:
    """Add what waits for the end of the backward pass to the gradient of a table."""
    total = RowGradient.sum_of(table.waiting_rows)
    table.waiting_rows = None
    _dense_gradient(table).index_add_(0, *total)


def _dense_gradient(table: Any) -> torch.Tensor:
    """Return the gradient of a table, a matrix that is kept from step to step."""
    if table.grad is None:
        if getattr(table, "kept_gradient", None) is None:
            table.kept_gradient = torch.empty_like(table, requires_grad=False)
        table.grad = table.kept_gradient.zero_()
    return table.grad


def _is_trained_table(table: torch.Tensor) -> bool:
    return torch.is_grad_enabled() and table.requires_grad and table.is_leaf and table.device.type == "cpu"


def lookup(table: torch.Tensor, indices: torch.Tensor) -> torch.Tensor:
    """Return rows of a table.

    Args:
        table: The table; shape [N, D]. If it is a parameter on the CPU, ``backward()`` writes to its ``grad``, or
            collects the gradients of rows where :func:`collect_rows` has said so.
        indices: Numbers of rows; int64, any shape.

    Returns:
        The rows; shape [*indices.shape, D].
    """
    if _is_trained_table(table):
        return _Lookup.apply(table, indices)
    return functional.embedding(indices, table)


def lookup_candidates(
    table: torch.Tensor, targets: torch.Tensor, negatives: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the vectors of targets and of negatives, without a gradient of the size of the table.

    Args:
        table: A table as for :func:`lookup`, or its first rows, ``table[:n]``.
        targets: Numbers of rows; int64, any shape.
        negatives: Numbers of rows; int64, any shape.

    Returns:
        The rows of both; shapes [*targets.shape, D] and [*negatives.shape, D].
    """
    whole = table._base
    # A row of such a view has the same number in the whole table.
    if whole is not None and _is_trained_table(whole) and _is_beginning(table, whole):
        return _LookupOfCandidates.apply(whole, targets, negatives)
    return lookup(table, targets), lookup(table, negatives)


def _is_beginning(view: torch.Tensor, whole: torch.Tensor) -> bool:
    """Return whether a view is the first rows of a table."""
    layout, of_whole = ((part.dim(), part.stride(), part.storage_offset(), part.shape[1:]) for part in (view, whole))
    return layout == of_whole


def collect_rows(table: Any) -> None:
    """Let the gradients of looked-up rows be collected from now on, in the place of a matrix of the table's size."""
    table.collected_rows = []


def take_collected(table: Any) -> RowGradient | None:
    """Return the gradient that was collected, and forget it; None where there is none."""
    collected = table.collected_rows
    table.collected_rows = []
    return RowGradient.sum_of(collected) if collected else None
