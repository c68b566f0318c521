"""Softmax losses of RecBole's models without the matrix of all scores."""

import torch
from torch.nn.functional import cross_entropy

from recbole_idp.nn.softmax import softmax_loss


def take_chunked_softmax(model):
    """Lets a model of RecBole, in place, compute its softmax over all items in chunks, as :func:`softmax_loss` does.

    RecBole multiplies states with the vectors of all items and hands the scores to PyTorch's cross-entropy. On a large
    catalogue that is most of the training, and most of it is reading and writing the scores. Here the states put the
    product off until the loss is known; other losses stay as they are.

    Args:
        model (SequentialRecommender): One of RecBole's models, which takes the mean of the losses of all rows: BERT4Rec
            does so once the padding of its hidden items is left out, by
            :func:`~recbole_idp.recbole_models.fast.last_layer.take_short_last_layers`.
    """
    if model.loss_type != "CE":
        return
    forward, loss = model.forward, model.calculate_loss

    def calculate_loss(rows):
        model.forward = lambda *given: forward(*given).as_subclass(_States)
        try:
            return loss(rows)
        finally:
            model.forward = forward

    model.calculate_loss = calculate_loss


class _States(torch.Tensor):
    """States whose product with the vectors of all items is put off; shape [..., D]."""

    @classmethod
    def __torch_function__(cls, function, types, arguments=(), keywords=None):
        if function is torch.matmul:
            states, transposed = arguments
            return _Scores(states.as_subclass(torch.Tensor).flatten(0, -2), transposed.transpose(0, 1))
        return super().__torch_function__(function, types, arguments, keywords or {})


class _Scores:
    """``states @ items.T + bias``, of which nothing is asked but the cross-entropy.

    Args:
        states (torch.Tensor): Shape [T, D].
        items (torch.Tensor): Shape [N, D].
        bias (torch.Tensor, optional): Shape [N].
    """

    def __init__(self, states, items, bias=None):
        self.states, self.items, self.bias = states, items, bias

    def __add__(self, bias):
        return _Scores(self.states, self.items, bias)

    def view(self, *shape):
        """Returns itself: one row a state is the only view that a loss takes."""
        return self

    @classmethod
    def __torch_function__(cls, function, types, arguments=(), keywords=None):
        if function is not cross_entropy:
            return NotImplemented
        scores, targets = arguments[:2]
        mean = softmax_loss(scores.states, scores.items, targets, scores.bias)
        # What asks for the loss of each row takes the mean of them next.
        return mean if keywords["reduction"] == "mean" else mean.expand(targets.shape)
