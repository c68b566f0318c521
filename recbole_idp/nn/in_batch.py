"""Softmax over the items of a batch, in which the items of a row are not negatives of that row."""

from typing import Any

import torch

from recbole_idp.nn.softmax import rows_at_a_time


def in_batch_softmax_loss(
    states: torch.Tensor,
    targets: torch.Tensor,
    rows: torch.Tensor,
    candidates: torch.Tensor,
    bias: torch.Tensor,
    held: torch.Tensor,
    target_bias: torch.Tensor | None = None,
) -> torch.Tensor:
    """Compute the cross-entropy of each state's target item against the items of other rows of the batch.

    ``bias`` may hold the logarithm of the number of times that an item occurs in the batch. Then the result is that of
    one candidate for each event, with fewer scores.

    Args:
        states: States; shape [T, D].
        targets: Place of each state's target item among the candidates; int64, shape [T].
        rows: Row of the batch that each state is from; int64, shape [T].
        candidates: Vectors of the batch's distinct items; shape [K, D].
        bias: Added to the score of each candidate as a negative; shape [K].
        held: Which candidates are not negatives of a row. The target item is always compared. bool, shape [B, K].
        target_bias: Added to the score of each state's target item; shape [T].

    Returns:
        The sum over all states.
    """
    return _InBatchSoftmaxLoss.apply(states, targets, rows, candidates, bias, held, target_bias)


def competition_loss(
    states: torch.Tensor,
    rows: torch.Tensor,
    vectors: torch.Tensor,
    targets: torch.Tensor,
    items: torch.Tensor,
    bias: torch.Tensor,
) -> torch.Tensor:
    """Compare each state's target item with the distinct target items of other rows of the batch.

    Args:
        states: States; shape [T, D].
        rows: Row of the batch that each state is from; int64, shape [T].
        vectors: Vectors of all items of the batch; shape [K, D].
        targets: Number of each state's target item among these vectors; int64, shape [T].
        items: Numbers of the items of each row among these vectors, 0 for none; int64, shape [B, L].
        bias: Added to the score of each of these items as a negative; shape [K].

    Returns:
        Scalar, the mean over the states.
    """
    candidates = targets.unique()
    held = held_by_rows(items, len(vectors), candidates)
    place = torch.searchsorted(candidates, targets)
    loss = in_batch_softmax_loss(states, place, rows, vectors[candidates], bias[candidates], held)
    return loss / len(targets)


class _InBatchSoftmaxLoss(torch.autograd.Function):
    """Cross-entropy and its gradients in one pass over chunks of states, as for the softmax over all items.

    The scores of a batch of some thousand events are tens of megabytes, and autograd would keep several such matrices.
    Allocating this memory in each step takes longer than computing the scores.
    """

    @staticmethod
    def forward(
        ctx: Any,
        states: torch.Tensor,
        targets: torch.Tensor,
        rows: torch.Tensor,
        candidates: torch.Tensor,
        bias: torch.Tensor,
        held: torch.Tensor,
        target_bias: torch.Tensor | None,
    ) -> torch.Tensor:
        chunk = rows_at_a_time(states, len(candidates))
        room = states.new_empty(chunk, len(candidates))
        grad_states, grad_candidates = torch.empty_like(states), torch.zeros_like(candidates)
        transposed, total = candidates.t(), states.new_zeros(())
        for begin in range(0, len(states), chunk):
            part = slice(begin, begin + chunk)
            state, column = states[part], targets[part].unsqueeze(1)
            scores = torch.mm(state, transposed, out=room[: len(state)])
            positive = scores.gather(1, column)
            if target_bias is not None:
                positive += target_bias[part].unsqueeze(1)
            scores.add_(bias).masked_fill_(held[rows[part]], float("-inf")).scatter_(1, column, positive)
            total += scores.logsumexp(1).sum() - positive.sum()
            torch.softmax(scores, 1, out=scores)
            scores.scatter_add_(1, column, scores.new_full(column.shape, -1.0))
            torch.mm(scores, candidates, out=grad_states[part])
            grad_candidates.addmm_(scores.t(), state)
        ctx.save_for_backward(grad_states, grad_candidates)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        grad_states, grad_candidates = ctx.saved_tensors
        return grad_states * gradient, None, None, grad_candidates * gradient, None, None, None


def events_of(items: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return the events of each row: its items and its last target; shape [B, L + 1].

    Args:
        items: Padded with 0 on the right; int64, shape [B, L].
        targets: Target at each position, 0 for none; int64, shape [B, L].
    """
    last = (items > 0).sum(1, keepdim=True) - 1
    return torch.cat([items, targets.gather(1, last)], 1)


def held_by_rows(items: torch.Tensor, n_items: int, candidates: torch.Tensor) -> torch.Tensor:
    """Return which candidates occur in each row.

    Args:
        items: Items of each row, 0 for none; int64, shape [B, L].
        n_items: Number of items N.
        candidates: Item numbers; int64, shape [K].

    Returns:
        True for candidates that the row has; bool, shape [B, K].
    """
    held = torch.zeros(len(items), n_items, dtype=torch.bool, device=items.device)
    return held.scatter_(1, items, True)[:, candidates]
