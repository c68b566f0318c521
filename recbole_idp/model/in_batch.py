"""The softmax over the items of a batch, whose own rows' items are no negatives."""

import torch
from torch.nn import functional


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
    column = wanted.unsqueeze(1)
    scores = states @ candidates.t()
    positive = scores.gather(1, column)
    if wanted_bias is not None:
        positive = positive + wanted_bias.unsqueeze(1)
    scores = (scores + bias).masked_fill(held[rows], float("-inf")).scatter(1, column, positive)
    return functional.cross_entropy(scores, wanted, reduction="sum")


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
