"""The softmax over the items of a batch, whose own rows' items are no negatives."""

import torch

from recbole_idp.nn.softmax import rows_at_a_time


def in_batch_softmax_loss(states, wanted, rows, candidates, bias, held, wanted_bias=None):
    """Cross-entropy of each state's own item against those of other rows of the batch.

    An item that other rows have several times counts as often, by the logarithm of its number in ``bias``: the result
    is that of one candidate an event, with fewer scores.

    Args:
        states (torch.Tensor): Shape [T, D].
        wanted (torch.LongTensor): Place of each state's own item among the candidates; shape [T].
        rows (torch.LongTensor): Row of the batch that each state is from; shape [T].
        candidates (torch.Tensor): Vectors of the batch's distinct items; shape [K, D].
        bias (torch.Tensor): Added to the score of each candidate as a negative; shape [K].
        held (torch.BoolTensor): Which candidates are no negatives of a row, the wanted one whatever it says; shape
            [B, K].
        wanted_bias (torch.Tensor, optional): Added to the score of each state's own item; shape [T].

    Returns:
        torch.Tensor: The sum over all states.
    """
    return _InBatchSoftmaxLoss.apply(states, wanted, rows, candidates, bias, held, wanted_bias)


def competition_loss(states, rows, vectors, wanted, items, bias):
    """Lets the distinct wanted items of a batch compete for each state; those of its own row do not.

    Args:
        states (torch.Tensor): Shape [T, D].
        rows (torch.LongTensor): Row of the batch that each state is from; shape [T].
        vectors (torch.Tensor): Vectors of all items that the batch has; shape [K, D].
        wanted (torch.LongTensor): Each state's own item among them; shape [T].
        items (torch.LongTensor): Items of each row among them, 0 for none; shape [B, L].
        bias (torch.Tensor): Added to the score of each of them as a negative; shape [K].

    Returns:
        torch.Tensor: Scalar, the mean over the states.
    """
    candidates = wanted.unique()
    held = held_by_rows(items, len(vectors), candidates)
    place = torch.searchsorted(candidates, wanted)
    loss = in_batch_softmax_loss(states, place, rows, vectors[candidates], bias[candidates], held)
    return loss / len(wanted)


class _InBatchSoftmaxLoss(torch.autograd.Function):
    """Cross-entropy and its gradients in one pass over chunks of states, as for the softmax over all items.

    The scores of a batch of some thousand events are tens of megabytes, and autograd would keep several such matrices:
    to get that much fresh memory in each step takes longer than to compute what is in it.
    """

    @staticmethod
    def forward(ctx, states, wanted, rows, candidates, bias, held, wanted_bias):
        chunk = rows_at_a_time(states, len(candidates))
        room = states.new_empty(chunk, len(candidates))
        grad_states, grad_candidates = torch.empty_like(states), torch.zeros_like(candidates)
        transposed, total = candidates.t(), states.new_zeros(())
        for begin in range(0, len(states), chunk):
            part = slice(begin, begin + chunk)
            state, column = states[part], wanted[part].unsqueeze(1)
            scores = torch.mm(state, transposed, out=room[: len(state)])
            positive = scores.gather(1, column)
            if wanted_bias is not None:
                positive += wanted_bias[part].unsqueeze(1)
            scores.add_(bias).masked_fill_(held[rows[part]], float("-inf")).scatter_(1, column, positive)
            total += scores.logsumexp(1).sum() - positive.sum()
            torch.softmax(scores, 1, out=scores)
            scores.scatter_add_(1, column, scores.new_full(column.shape, -1.0))
            torch.mm(scores, candidates, out=grad_states[part])
            grad_candidates.addmm_(scores.t(), state)
        ctx.save_for_backward(grad_states, grad_candidates)
        return total

    @staticmethod
    def backward(ctx, gradient):
        grad_states, grad_candidates = ctx.saved_tensors
        return grad_states * gradient, None, None, grad_candidates * gradient, None, None, None


def held_by_rows(items, n_items, candidates):
    """Tells which candidates each row has.

    Args:
        items (torch.LongTensor): Items of each row, 0 for none; shape [B, L].
        n_items (int): N.
        candidates (torch.LongTensor): Item numbers; shape [K].

    Returns:
        torch.BoolTensor: Shape [B, K].
    """
    held = torch.zeros(len(items), n_items, dtype=torch.bool, device=items.device)
    return held.scatter_(1, items, True)[:, candidates]
