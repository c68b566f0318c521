"""Softmax losses over many items that never hold the matrix of all scores."""

from typing import Any

import torch

from recbole_idp.nn.precision import products_of

CHUNK_ELEMENTS = 1 << 19
"""Scores that are held at a time on a processor, in its cache; an accelerator holds many more."""
_ACCELERATOR_CHUNK_ELEMENTS = 1 << 26


def rows_at_a_time(states: torch.Tensor, candidates: int) -> int:
    """Return how many states to score at a time.

    Args:
        states: States; shape [T, D].
        candidates: Number of scores of each state.

    Returns:
        At least 1, and at most the number of states.
    """
    elements = CHUNK_ELEMENTS if states.device.type == "cpu" else _ACCELERATOR_CHUNK_ELEMENTS
    return max(1, min(len(states), elements // max(1, candidates)))


class _SoftmaxLoss(torch.autograd.Function):
    """Mean cross-entropy of ``states @ items.T + bias``, forward and backward in one pass over chunks of rows.

    A chunk of scores is turned into its own gradient while it is still in the processor's cache. Autograd would write
    and read the matrix of all scores six times.
    """

    @staticmethod
    def forward(
        ctx: Any,
        states: torch.Tensor,
        items: torch.Tensor,
        targets: torch.Tensor,
        positive_items: torch.Tensor | None,
        bias: torch.Tensor | None,
        positive_bias: torch.Tensor | None,
    ) -> torch.Tensor:
        rows, candidates = len(states), len(items)
        own_column = positive_items is not None
        columns = candidates + own_column
        chunk = rows_at_a_time(states, columns)
        scores = states.new_empty(chunk, columns)
        grad_states = torch.empty_like(states)
        grad_items = torch.zeros_like(items)
        grad_positive = torch.empty_like(positive_items) if positive_items is not None else None
        grad_bias = torch.zeros_like(bias) if bias is not None and ctx.needs_input_grad[4] else None
        grad_positive_bias = states.new_empty(rows) if ctx.needs_input_grad[5] else None
        likelihood = states.new_empty(rows)
        products = products_of(items)
        for begin in range(0, rows, chunk):
            state = states[begin : begin + chunk]
            part = scores[: len(state)]
            target = targets[begin : begin + chunk]
            shared = part[:, 1:] if own_column else part
            products.scores(state, shared)
            if bias is not None:
                shared += bias
            if positive_items is not None:
                positive = positive_items[begin : begin + chunk]
                torch.sum(state * positive, dim=1, out=part[:, 0])
                if positive_bias is not None:
                    part[:, 0] += positive_bias[begin : begin + chunk]
                hit = (target >= 0).nonzero().squeeze(1)
                shared[hit, target[hit]] = float("-inf")
                column = torch.zeros_like(target)
            else:
                column = target
            torch.softmax(part, 1, out=part)
            column = column.unsqueeze(1)
            likelihood[begin : begin + chunk] = part.gather(1, column).squeeze(1)
            part.scatter_add_(1, column, part.new_full(column.shape, -1.0))
            products.state_gradients(shared, grad_states[begin : begin + chunk])
            products.add_item_gradients(shared, state, grad_items)
            if grad_bias is not None:
                grad_bias += shared.sum(0)
            if grad_positive is not None:
                pull = part[:, :1]
                grad_states[begin : begin + chunk] += pull * positive
                torch.mul(pull, state, out=grad_positive[begin : begin + chunk])
                if grad_positive_bias is not None:
                    grad_positive_bias[begin : begin + chunk] = part[:, 0]
        ctx.save_for_backward(grad_states, grad_items, grad_positive, grad_bias, grad_positive_bias)
        # The smallest normal float32: a probability below it is rounded, its gradient above is exact all the same.
        return -likelihood.clamp_min_(1.2e-38).log_().mean()

    @staticmethod
    def backward(ctx: Any, grad_loss: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        grad_states, grad_items, *others = ctx.saved_tensors
        scale = grad_loss / len(grad_states)
        positive, bias, positive_bias = (None if part is None else part * scale for part in others)
        return grad_states * scale, grad_items * scale, None, positive, bias, positive_bias


def softmax_loss(
    states: torch.Tensor, items: torch.Tensor, targets: torch.Tensor, bias: torch.Tensor | None = None
) -> torch.Tensor:
    """Compute the mean cross-entropy over all items.

    Args:
        states: States; shape [T, D].
        items: Vector of every item; shape [N, D].
        targets: The target item of each state; int64, shape [T].
        bias: Added to each item's score; shape [N].

    Returns:
        Scalar, equal to ``cross_entropy(states @ items.T + bias, targets)``.
    """
    return _SoftmaxLoss.apply(states.to(items.dtype), items, targets, None, bias, None)


def sampled_softmax_loss(
    states: torch.Tensor,
    positives: torch.Tensor,
    targets: torch.Tensor,
    negatives: torch.Tensor,
    negative_items: torch.Tensor,
    log_expected_count: torch.Tensor,
    bias: torch.Tensor | None = None,
) -> torch.Tensor:
    """Compute the mean cross-entropy over each state's target item and negatives that the batch shares.

    The log-Q correction subtracts from the score of a negative the logarithm of its expected number of draws, so that
    frequent items are not pushed down for being frequent. A negative that is the state's target is skipped. The score
    of the target is not corrected, because it is always present.

    Args:
        states: States; shape [T, D].
        positives: Vectors of the target items; shape [T, D].
        targets: The target items; int64, shape [T].
        negatives: Distinct items in ascending order; int64, shape [K].
        negative_items: Their vectors; shape [K, D].
        log_expected_count: Logarithm of the probability that a negative is drawn; shape [K].
        bias: Added to each item's score; shape [N].

    Returns:
        Scalar.
    """
    states = states.to(positives.dtype)
    place = torch.searchsorted(negatives, targets).clamp_max_(len(negatives) - 1)
    hit = torch.where(negatives[place] == targets, place, torch.full_like(place, -1))
    if bias is None:
        return _SoftmaxLoss.apply(states, negative_items, hit, positives, -log_expected_count, None)
    correction = bias.index_select(0, negatives) - log_expected_count
    return _SoftmaxLoss.apply(states, negative_items, hit, positives, correction, bias.index_select(0, targets))
