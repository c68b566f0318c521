"""Training losses over (state, next item) pairs, chosen by RecBole's ``loss_type``."""

import torch
from torch import nn
from torch.nn import functional

from recbole_idp.nn.lookup import lookup_candidates
from recbole_idp.nn.shared_negatives import CalibratedLoss, SampledSoftmaxLoss
from recbole_idp.nn.softmax import softmax_loss


class SoftmaxLoss(nn.Module):
    """``loss_type: CE`` over all items: what RecBole's sequential models minimise."""

    def forward(
        self, states: torch.Tensor, targets: torch.Tensor, item_vectors: torch.Tensor, bias: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Compute the mean loss.

        Args:
            states: States; shape [T, D].
            targets: The next item of each state; int64, shape [T].
            item_vectors: Vector of every item, row 0 being padding; shape [N, D].
            bias: Added to each item's score; shape [N].

        Returns:
            The loss, a scalar.
        """
        return softmax_loss(states, item_vectors, targets, bias)

    def draw(self, targets: torch.Tensor, n_items: int) -> None:
        """Return that nothing is drawn: all items are compared."""

    def n_drawn(self, n_targets: int) -> None:
        """Return None, as :meth:`draw` does."""

    def n_candidates(self, n_items: int) -> float:
        """Return the expected number of items, of N, that each target is compared with."""
        return float(n_items)


class PairwiseLoss(nn.Module):
    """``loss_type: BPR``: -log sigmoid(positive - negative), uniform negatives (IDP, "BPR" loss of the base model).

    Args:
        n_negatives: Number of negatives drawn for each target.
    """

    def __init__(self, n_negatives: int = 1) -> None:
        super().__init__()
        self.n_negatives = max(1, n_negatives)

    def draw(self, targets: torch.Tensor, n_items: int) -> torch.Tensor:
        """Draw negatives uniformly, never the target itself.

        Args:
            targets: The target items; int64, shape [T].
            n_items: Number of items N, padding included.

        Returns:
            Shape [T, K].
        """
        shape = (len(targets), self.n_negatives)
        draws = torch.randint(1, max(2, n_items - 1), shape, device=targets.device)
        # Draw from one item fewer, and skip the target's number: a negative is never the target.
        draws = draws + (draws >= targets.unsqueeze(1)).long()
        return draws.clamp_max(n_items - 1)

    def n_drawn(self, n_targets: int) -> int:
        """Return how many items are drawn for a batch of targets."""
        return n_targets * self.n_negatives

    def draw_others(self, own: torch.Tensor, rows: torch.Tensor, n_items: int) -> torch.Tensor:
        """Draw negatives uniformly among the items that a user does not have.

        Args:
            own: Items of each of B users, with repetitions, 0 for none; int64, shape [B, L].
            rows: The user of each target; int64, shape [T].
            n_items: Number of items N, padding included.

        Returns:
            Shape [T, K]. Of a user who has all items, any item.
        """
        ordered = own.sort(1).values
        repeated = torch.zeros_like(ordered, dtype=torch.bool)
        repeated[:, 1:] = ordered[:, 1:] == ordered[:, :-1]
        # Distinct items in ascending order; what is no item stands last.
        beyond = n_items + ordered.shape[1]
        ordered = ordered.masked_fill(repeated | (ordered == 0), beyond).sort(1).values
        counts = (ordered < n_items).sum(1)
        left = n_items - 1 - counts
        room = torch.where(left > 0, left, n_items - 1)[rows].unsqueeze(1)
        draws = torch.rand(len(rows), self.n_negatives, dtype=torch.float64, device=own.device)
        place = (draws * room).long()
        # The place-th of the others: each own item that lies before it moves it on by one.
        before = (ordered - 1 - torch.arange(ordered.shape[1], device=own.device))[rows]
        moved = torch.searchsorted(before, place, right=True)
        moved = moved.masked_fill((left <= 0)[rows].unsqueeze(1), 0)
        return (place + moved + 1).clamp_max_(n_items - 1)

    def scores_of(
        self,
        states: torch.Tensor,
        targets: torch.Tensor,
        drawn: torch.Tensor,
        item_vectors: torch.Tensor,
        bias: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the scores of the targets, shape [T, 1], and of given negatives, shape [T, K]."""
        positives, negatives = lookup_candidates(item_vectors, targets, drawn)
        positive = (states * positives).sum(-1, keepdim=True)
        negative = (negatives @ states.unsqueeze(-1)).squeeze(-1)
        if bias is not None:
            positive, negative = positive + bias[targets].unsqueeze(1), negative + bias[drawn]
        return positive, negative

    def with_drawn(
        self,
        states: torch.Tensor,
        targets: torch.Tensor,
        drawn: torch.Tensor,
        item_vectors: torch.Tensor,
        bias: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Compute the mean loss with given negatives, of shape [T, K]; other arguments as in :class:`SoftmaxLoss`."""
        return self.compare(*self.scores_of(states, targets, drawn, item_vectors, bias))

    def scores(
        self, states: torch.Tensor, targets: torch.Tensor, item_vectors: torch.Tensor, bias: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the scores of the targets, shape [T, 1], and of negatives that are drawn now, shape [T, K]."""
        return self.scores_of(states, targets, self.draw(targets, len(item_vectors)), item_vectors, bias)

    def compare(self, positive: torch.Tensor, negative: torch.Tensor) -> torch.Tensor:
        """Compute the mean loss of scores.

        Args:
            positive: Scores of the targets; shape [T, 1].
            negative: Scores of the negatives; shape [T, K].

        Returns:
            Scalar.
        """
        return -functional.logsigmoid(positive - negative).mean()

    def forward(
        self, states: torch.Tensor, targets: torch.Tensor, item_vectors: torch.Tensor, bias: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Compute the mean loss; arguments as in :class:`SoftmaxLoss`."""
        return self.compare(*self.scores(states, targets, item_vectors, bias))

    def n_candidates(self, n_items: int) -> float:
        """Return the number of items that each target is compared with, itself included."""
        return 1.0 + self.n_negatives


class PointwiseLoss(PairwiseLoss):
    """``loss_type: BCE``: binary cross-entropy of the target against uniform negatives, as in the SASRec paper."""

    def compare(self, positive: torch.Tensor, negative: torch.Tensor) -> torch.Tensor:
        """Compute the mean loss over targets plus that over negatives; see :class:`PairwiseLoss`."""
        return -(functional.logsigmoid(positive).mean() + functional.logsigmoid(-negative).mean())


def build_loss(
    loss_type: str,
    n_negatives: int,
    counts: torch.Tensor | None = None,
    smoothing: float = 0.75,
    calibration: float = 0.75,
) -> SoftmaxLoss | SampledSoftmaxLoss | PairwiseLoss | CalibratedLoss:
    """Make the loss that a configuration names.

    Args:
        loss_type: ``CE``, ``BPR``, ``BCE`` or ``gBCE``.
        n_negatives: ``train_negatives``: 0 compares with all items, for CE only (BPR and BCE then draw one, gBCE 256).
        counts: Training frequency of each item, needed for gBCE, and for CE with negatives; shape [N].
        smoothing: Power of the frequency for drawing negatives.
        calibration: ``gbce_t``, for gBCE.

    Returns:
        The loss, to be called with states [T, D], targets [T], item vectors [N, D] and, optionally, a bias [N].
    """
    if loss_type == "BPR":
        return PairwiseLoss(n_negatives)
    if loss_type == "BCE":
        return PointwiseLoss(n_negatives)
    if loss_type == "gBCE":
        return CalibratedLoss(len(counts), n_negatives, calibration)  # type: ignore[arg-type]  # it needs counts
    if n_negatives and n_negatives < len(counts):  # type: ignore[arg-type]  # negatives need counts
        return SampledSoftmaxLoss(counts, n_negatives, smoothing)  # type: ignore[arg-type]  # negatives need counts
    return SoftmaxLoss()
