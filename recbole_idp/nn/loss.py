"""Training losses over (state, next item) pairs, chosen by RecBole's ``loss_type``."""

import torch
from torch import nn
from torch.nn import functional

from recbole_idp.nn.lookup import lookup
from recbole_idp.nn.softmax import sampled_softmax_loss, softmax_loss


class SoftmaxLoss(nn.Module):
    """``loss_type: CE`` over all items: what RecBole's sequential models minimise."""

    def forward(self, states, targets, item_vectors, bias=None):
        """Computes the mean loss.

        Args:
            states (torch.Tensor): Shape [T, D].
            targets (torch.LongTensor): The next item of each state; shape [T].
            item_vectors (torch.Tensor): Vector of every item, row 0 being padding; shape [N, D].
            bias (torch.Tensor, optional): Added to each item's score; shape [N].

        Returns:
            torch.Tensor: Scalar.
        """
        return softmax_loss(states, item_vectors, targets, bias)

    def n_candidates(self, n_items: int) -> float:
        """Return how many of N items each target is compared with, equal draws of a batch counted once; a float."""
        return float(n_items)


class SampledSoftmaxLoss(nn.Module):
    """``loss_type: CE`` with ``train_negatives`` shared negatives and log-Q correction, for large catalogues.

    Negatives are drawn by training frequency to the power of ``smoothing``, with replacement, and shared by the batch.

    Args:
        counts (torch.Tensor): How often each item is a training target, 0 for padding; shape [N].
        n_negatives (int): Draws for a batch.
        smoothing (float): Power of the frequency: 1 draws by popularity, 0 uniformly.
    """

    def __init__(self, counts, n_negatives, smoothing=0.75):
        super().__init__()
        self.n_negatives = n_negatives
        weights = (counts.double() + 1).pow(smoothing)
        weights[0] = 0
        chance = weights / weights.sum()
        self.register_buffer("cumulative", chance.cumsum(0), persistent=False)
        # The chance that an item is among the draws at all, since equal draws count once.
        drawn = -torch.expm1(n_negatives * torch.log1p(-chance))
        self.register_buffer("log_expected_count", drawn.clamp_min(1e-30).log().float(), persistent=False)

    def forward(self, states, targets, item_vectors, bias=None):
        """Computes the mean loss; arguments as in :class:`SoftmaxLoss`."""
        draws = torch.rand(self.n_negatives, dtype=torch.float64, device=states.device)
        negatives = torch.unique(torch.searchsorted(self.cumulative, draws).clamp_(1, len(item_vectors) - 1))
        return sampled_softmax_loss(
            states,
            lookup(item_vectors, targets),
            targets,
            negatives,
            lookup(item_vectors, negatives),
            self.log_expected_count[negatives],
            bias,
        )

    def n_candidates(self, n_items: int) -> float:
        """Return how many items each target is compared with; see :class:`SoftmaxLoss`."""
        return float(self.log_expected_count.double().exp().sum())


class PairwiseLoss(nn.Module):
    """``loss_type: BPR``: -log sigmoid(positive - negative), uniform negatives (IDP, "BPR" loss of the base model).

    Args:
        n_negatives (int): Negatives drawn for each target.
    """

    def __init__(self, n_negatives=1):
        super().__init__()
        self.n_negatives = max(1, n_negatives)

    def scores(self, states, targets, item_vectors, bias=None):
        """Returns the scores of the targets, shape [T, 1], and of drawn other items, shape [T, K]."""
        positive = (states * lookup(item_vectors, targets)).sum(-1, keepdim=True)
        shape = (len(targets), self.n_negatives)
        draws = torch.randint(1, max(2, len(item_vectors) - 1), shape, device=states.device)
        # One item fewer to draw from, and the target's number is stepped over: a negative is never the target.
        draws = draws + (draws >= targets.unsqueeze(1)).long()
        draws = draws.clamp_max(len(item_vectors) - 1)
        negative = (lookup(item_vectors, draws) @ states.unsqueeze(-1)).squeeze(-1)
        if bias is not None:
            positive, negative = positive + bias[targets].unsqueeze(1), negative + bias[draws]
        return positive, negative

    def forward(self, states, targets, item_vectors, bias=None):
        """Computes the mean loss; arguments as in :class:`SoftmaxLoss`."""
        positive, negative = self.scores(states, targets, item_vectors, bias)
        return -functional.logsigmoid(positive - negative).mean()

    def n_candidates(self, n_items: int) -> float:
        """Return how many items each target is compared with; see :class:`SoftmaxLoss`."""
        return 1.0 + self.n_negatives


class PointwiseLoss(PairwiseLoss):
    """``loss_type: BCE``: binary cross-entropy of the target against uniform negatives, as in the SASRec paper."""

    def forward(self, states, targets, item_vectors, bias=None):
        """Computes the mean loss; arguments as in :class:`SoftmaxLoss`."""
        positive, negative = self.scores(states, targets, item_vectors, bias)
        return -(functional.logsigmoid(positive).mean() + functional.logsigmoid(-negative).mean())


def build_loss(loss_type, n_negatives, counts=None, smoothing=0.75):
    """Makes the loss that a configuration names.

    Args:
        loss_type (str): ``CE``, ``BPR`` or ``BCE``.
        n_negatives (int): ``train_negatives``: 0 for all items, which CE alone allows (BPR and BCE then draw one).
        counts (torch.Tensor, optional): Training frequency of each item, needed for CE with negatives; shape [N].
        smoothing (float): Power of the frequency for drawing negatives.

    Returns:
        nn.Module: Called with states [T, D], targets [T], item vectors [N, D] and, if there is one, a bias [N].
    """
    if loss_type == "BPR":
        return PairwiseLoss(n_negatives)
    if loss_type == "BCE":
        return PointwiseLoss(n_negatives)
    if n_negatives and n_negatives < len(counts):
        return SampledSoftmaxLoss(counts, n_negatives, smoothing)
    return SoftmaxLoss()
