"""Softmax losses over many items that never hold the matrix of all scores."""

import torch

CHUNK_ELEMENTS = 1 << 19
"""Scores that are there at a time on a processor, in its cache; an accelerator takes many at once."""
_ACCELERATOR_CHUNK_ELEMENTS = 1 << 26


def rows_at_a_time(states, candidates):
    """Returns how many states to score at a time.

    Args:
        states (torch.Tensor): Shape [T, D].
        candidates (int): How many scores each has.

    Returns:
        int: At least 1, and no more than there are.
    """
    elements = CHUNK_ELEMENTS if states.device.type == "cpu" else _ACCELERATOR_CHUNK_ELEMENTS
    return max(1, min(len(states), elements // max(1, candidates)))


class _SoftmaxLoss(torch.autograd.Function):
    """Mean cross-entropy of ``states @ items.T + bias``, forward and backward in one pass over chunks of rows.

    A chunk of scores is turned into its own gradient while it is still in the processor's cache. What autograd would
    do instead writes and reads the matrix of all scores six times.
    """

    @staticmethod
    def forward(ctx, states, items, targets, positive_items, bias, positive_bias):
        rows, candidates = len(states), len(items)
        own_column = positive_items is not None
        columns = candidates + own_column
        chunk = rows_at_a_time(states, columns)
        scores = states.new_empty(chunk, columns)
        grad_states = torch.empty_like(states)
        grad_items = torch.zeros_like(items)
        grad_positive = torch.empty_like(positive_items) if own_column else None
        grad_bias = torch.zeros_like(bias) if ctx.needs_input_grad[4] else None
        grad_positive_bias = states.new_empty(rows) if ctx.needs_input_grad[5] else None
        likelihood = states.new_empty(rows)
        transposed = items.t()
        for begin in range(0, rows, chunk):
            state = states[begin : begin + chunk]
            part = scores[: len(state)]
            target = targets[begin : begin + chunk]
            shared = part[:, 1:] if own_column else part
            torch.mm(state, transposed, out=shared)
            if bias is not None:
                shared += bias
            if own_column:
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
            torch.mm(shared, items, out=grad_states[begin : begin + chunk])
            grad_items.addmm_(shared.t(), state)
            if grad_bias is not None:
                grad_bias += shared.sum(0)
            if own_column:
                pull = part[:, :1]
                grad_states[begin : begin + chunk] += pull * positive
                torch.mul(pull, state, out=grad_positive[begin : begin + chunk])
                if grad_positive_bias is not None:
                    grad_positive_bias[begin : begin + chunk] = part[:, 0]
        ctx.save_for_backward(grad_states, grad_items, grad_positive, grad_bias, grad_positive_bias)
        # The smallest normal float32: a probability below it is rounded, its gradient above is exact all the same.
        return -likelihood.clamp_min_(1.2e-38).log_().mean()

    @staticmethod
    def backward(ctx, grad_loss):
        grad_states, grad_items, *others = ctx.saved_tensors
        scale = grad_loss / len(grad_states)
        positive, bias, positive_bias = (None if part is None else part * scale for part in others)
        return grad_states * scale, grad_items * scale, None, positive, bias, positive_bias


def softmax_loss(states, items, targets, bias=None):
    """Mean cross-entropy over all items.

    Args:
        states (torch.Tensor): Shape [T, D].
        items (torch.Tensor): Vector of every item; shape [N, D].
        targets (torch.LongTensor): The right item of each state; shape [T].
        bias (torch.Tensor, optional): Added to each item's score; shape [N].

    Returns:
        torch.Tensor: Scalar, equal to ``cross_entropy(states @ items.T + bias, targets)``.
    """
    return _SoftmaxLoss.apply(states, items, targets, None, bias, None)


def sampled_softmax_loss(states, positives, targets, negatives, negative_items, log_expected_count, bias=None):
    """Mean cross-entropy over each state's own item and negatives that the whole batch shares.

    The scores of the negatives are lessened by the logarithm of how often the sampler was expected to draw them, so
    that frequent negatives are not pushed down for being frequent. A negative that is the state's own target is left
    out. The target's own score is not corrected: each is there with certainty.

    Args:
        states (torch.Tensor): Shape [T, D].
        positives (torch.Tensor): Vectors of the right items; shape [T, D].
        targets (torch.LongTensor): The right items; shape [T].
        negatives (torch.LongTensor): Distinct items in ascending order; shape [K].
        negative_items (torch.Tensor): Their vectors; shape [K, D].
        log_expected_count (torch.Tensor): Logarithm of the chance that a negative is among the drawn; shape [K].
        bias (torch.Tensor, optional): Added to each item's score; shape [N].

    Returns:
        torch.Tensor: Scalar.
    """
    place = torch.searchsorted(negatives, targets).clamp_max_(len(negatives) - 1)
    hit = torch.where(negatives[place] == targets, place, torch.full_like(place, -1))
    if bias is None:
        return _SoftmaxLoss.apply(states, negative_items, hit, positives, -log_expected_count, None)
    correction = bias.index_select(0, negatives) - log_expected_count
    return _SoftmaxLoss.apply(states, negative_items, hit, positives, correction, bias.index_select(0, targets))
