"""Rows of a large embedding table, with a gradient that is not made anew for each look-up."""

import torch
from torch.nn import functional


class _Lookup(torch.autograd.Function):
    """Adds the gradient of the chosen rows to ``table.grad`` in place.

    PyTorch makes a zero matrix of the table's size for each look-up of a step and adds them up: with 80 thousand items
    that is a quarter of the time of a training step. One matrix, kept from step to step, serves all of them.
    """

    @staticmethod
    def forward(ctx, table, indices):
        ctx.table, ctx.indices = table, indices
        return functional.embedding(indices, table)

    @staticmethod
    def backward(ctx, gradient):
        table = ctx.table
        if table.grad is None:
            if getattr(table, "kept_gradient", None) is None:
                table.kept_gradient = torch.empty_like(table, requires_grad=False)
            table.grad = table.kept_gradient.zero_()
        table.grad.index_add_(0, ctx.indices.flatten(), gradient.reshape(-1, table.shape[1]))
        return None, None


def lookup(table, indices):
    """Returns rows of a table.

    Args:
        table (torch.Tensor): Shape [N, D]. Where it is a parameter on the CPU, ``backward()`` writes to its ``grad``.
        indices (torch.LongTensor): Any shape.

    Returns:
        torch.Tensor: Shape [*indices.shape, D].
    """
    if torch.is_grad_enabled() and table.requires_grad and table.is_leaf and table.device.type == "cpu":
        return _Lookup.apply(table, indices)
    return functional.embedding(indices, table)
