"""Losses whose negatives are drawn once for a batch: the sampled softmax, and gSASRec's binary cross-entropy."""

import torch
from torch import nn
from torch.nn import functional

from recbole_idp.nn.lookup import lookup_candidates
from recbole_idp.nn.softmax import sampled_softmax_loss

_GBCE_NEGATIVES = 256


class SharedNegativesLoss(nn.Module):
    """A loss whose negatives are drawn once for a batch, and shared by its targets.

    Args:
        n_negatives: Number of draws for a batch.
    """

    def __init__(self, n_negatives: int) -> None:
        super().__init__()
        self.n_negatives = n_negatives

    def draw(self, targets: torch.Tensor, n_items: int) -> torch.Tensor:
        """Draw the negatives of a batch. Subclasses implement it.

        Args:
            targets: The target items; int64, shape [T].
            n_items: Number of items N, padding included.

        Returns:
            Distinct items in ascending order; shape [K].
        """
        raise NotImplementedError

    def n_drawn(self, n_targets: int) -> int:
        """Return how many items are drawn for a batch."""
        return self.n_negatives

    def with_drawn(
        self,
        states: torch.Tensor,
        targets: torch.Tensor,
        drawn: torch.Tensor,
        item_vectors: torch.Tensor,
        bias: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Compute the mean loss with given negatives, of shape [K]; other arguments as in
        :class:`~recbole_idp.nn.loss.SoftmaxLoss`."""
        raise NotImplementedError

    def forward(
        self, states: torch.Tensor, targets: torch.Tensor, item_vectors: torch.Tensor, bias: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Compute the mean loss; arguments as in :class:`~recbole_idp.nn.loss.SoftmaxLoss`."""
        return self.with_drawn(states, targets, self.draw(targets, len(item_vectors)), item_vectors, bias)


class SampledSoftmaxLoss(SharedNegativesLoss):
    """``loss_type: CE`` with ``train_negatives`` shared negatives and log-Q correction, for large catalogues.

    Negatives are drawn by training frequency to the power of ``smoothing``, with replacement, and shared by the batch.

    Args:
        counts: How often each item is a training target, 0 for padding; shape [N].
        n_negatives: Number of draws for a batch.
        smoothing: Power of the frequency: 1 draws by popularity, 0 uniformly.
    """

    cumulative: torch.Tensor
    log_expected_count: torch.Tensor

    def __init__(self, counts: torch.Tensor, n_negatives: int, smoothing: float = 0.75) -> None:
        super().__init__(n_negatives)
        weights = (counts.double() + 1).pow(smoothing)
        weights[0] = 0
        chance = weights / weights.sum()
        self.register_buffer("cumulative", chance.cumsum(0), persistent=False)
        # The probability that an item is among the draws at all, since equal draws count once.
        drawn = -torch.expm1(n_negatives * torch.log1p(-chance))
        self.register_buffer("log_expected_count", drawn.clamp_min(1e-30).log().float(), persistent=False)

    def draw(self, targets: torch.Tensor, n_items: int) -> torch.Tensor:
        """Draw the negatives of a batch; shapes as in the base class."""
        draws = torch.rand(self.n_negatives, dtype=torch.float64, device=targets.device)
        return torch.unique(torch.searchsorted(self.cumulative, draws).clamp_(1, n_items - 1))

    def with_drawn(
        self,
        states: torch.Tensor,
        targets: torch.Tensor,
        drawn: torch.Tensor,
        item_vectors: torch.Tensor,
        bias: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Compute the mean loss with given negatives; shapes as in the base class."""
        positives, negatives = lookup_candidates(item_vectors, targets, drawn)
        return sampled_softmax_loss(states, positives, targets, drawn, negatives, self.log_expected_count[drawn], bias)

    def n_candidates(self, n_items: int) -> float:
        """Return the expected number of items that each target is compared with; equal draws count once."""
        return float(self.log_expected_count.double().exp().sum())


class CalibratedLoss(SharedNegativesLoss):
    """``loss_type: gBCE``: binary cross-entropy whose positive part makes up for how few negatives are drawn.

    -(beta log sigmoid(s+) + sum_k log(1 - sigmoid(s_k))) / (K + 1), with beta = a (t (1 - 1 / a) + 1 / a) and the share
    a of the other items that are drawn (gSASRec, arXiv 2308.07192). t is 0 for plain binary
    cross-entropy, and 1 for scores that are calibrated.

    Negatives are drawn uniformly without replacement, and shared by the batch; the paper draws for each target. One
    that is a state's target is skipped.

    Args:
        n_items: Number of items N, padding included.
        n_negatives: K, at most all items but the target; 0: 256, as in the paper.
        calibration: t, from 0 to 1.

    Attributes:
        beta (float): The power of the target's probability.
    """

    def __init__(self, n_items: int, n_negatives: int = 0, calibration: float = 0.75) -> None:
        others = max(1, n_items - 2)
        super().__init__(min(n_negatives or _GBCE_NEGATIVES, others))
        share = self.n_negatives / others
        self.beta = share * (calibration * (1 - 1 / share) + 1 / share)

    def draw(self, targets: torch.Tensor, n_items: int) -> torch.Tensor:
        """Draw the negatives of a batch; shapes as in the base class."""
        order = torch.randperm(n_items - 1, device=targets.device)
        return (order[: self.n_negatives] + 1).sort().values

    def with_drawn(
        self,
        states: torch.Tensor,
        targets: torch.Tensor,
        drawn: torch.Tensor,
        item_vectors: torch.Tensor,
        bias: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Compute the mean loss with given negatives; shapes as in the base class."""
        positives, negatives = lookup_candidates(item_vectors, targets, drawn)
        positive, negative = (states * positives).sum(-1), states @ negatives.t()
        if bias is not None:
            positive, negative = positive + bias[targets], negative + bias[drawn]
        negative = negative.masked_fill(drawn == targets.unsqueeze(1), float("-inf"))
        return self.compare(positive, negative)

    def compare(self, positive: torch.Tensor, negative: torch.Tensor) -> torch.Tensor:
        """Compute the mean loss of scores.

        Args:
            positive: Scores of the targets; shape [T].
            negative: Scores of the negatives; shape [T, K].

        Returns:
            Scalar.
        """
        # log(1 - sigmoid(s)) is -softplus(s), and log sigmoid(s) is -softplus(-s).
        loss = self.beta * functional.softplus(-positive) + functional.softplus(negative).sum(1)
        return loss.mean() / (1 + negative.shape[1])

    def n_candidates(self, n_items: int) -> float:
        """Return the number of items that each target is compared with, itself included."""
        return 1.0 + self.n_negatives
