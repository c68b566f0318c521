"""The losses of the cross-domain item matcher, CDIM (IDP, text loss and behaviour-involved loss)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from recbole_idp.models.idp.cdim.neighbours import NOBODY

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

TEXT, BEHAVIOUR = "text", "behaviour"
LOSSES = (TEXT, BEHAVIOUR)


def info_nce(positive: torch.Tensor, negatives: torch.Tensor) -> torch.Tensor:
    """Compute InfoNCE of each row: -log(e^p / (e^p + sum_k e^n_k)).

    Args:
        positive: Similarity to the positive, divided by the temperature; shape [B].
        negatives: Logsumexp of the similarities to the negatives, divided by the temperature; minus infinity where
            there is none; shape [B].

    Returns:
        Loss of each row; shape [B].
    """
    return functional.softplus(negatives - positive)


def cdim_losses(
    first: torch.Tensor,
    positives: Mapping[str, tuple[torch.Tensor, torch.Tensor]],
    negatives_allowed: torch.Tensor,
    temperature: float,
) -> dict[str, torch.Tensor]:
    """Compute the losses of a batch, which share its negatives.

    The negatives of an item are the first passes of the batch's other items, as in the paper's sums over t_k.

    Args:
        first: Vector t of each item; shape [B, W].
        positives: For each loss the positives' vectors, shape [B, W], and the rows that have one, bool, shape [B]:
            under ``text`` the second dropout pass t', under ``behaviour`` an item of V_s.
        negatives_allowed: False where item k is no negative of item i; shape [B, B].
        temperature: Temperature tau.

    Returns:
        The mean of each loss over its rows; their sum is L_CDIM.
    """
    first = functional.normalize(first, dim=1)
    # An item without any negative has no loss.
    useful = negatives_allowed.any(1)
    similarities = first[useful] @ first.T / temperature
    negatives = similarities.masked_fill(~negatives_allowed[useful], -torch.inf).logsumexp(1)
    losses = {}
    for name, (vectors, has_one) in positives.items():
        positive = (first * functional.normalize(vectors, dim=1)).sum(1)[useful] / temperature
        rows = has_one[useful]
        losses[name] = info_nce(positive, negatives)[rows].sum() / rows.sum().clamp_min(1)
    return losses


class Neighbourhoods:
    """Know which items of a batch are no negatives of each other, and draw positives.

    Args:
        neighbours: Items of V_s, :data:`NOBODY` where there are fewer; shape [S, s].
        texts: Number of each item's text, equal for equal texts; shape [S].
        trained: True for items that may be drawn as positives; shape [S].
    """

    def __init__(self, neighbours: np.ndarray, texts: np.ndarray, trained: np.ndarray) -> None:
        self.neighbours = torch.from_numpy(neighbours)
        self.texts = torch.from_numpy(texts)
        drawable = (self.neighbours != NOBODY) & torch.from_numpy(trained)[self.neighbours]
        # Those that can be drawn stand first, so that a number below their count draws one.
        order = (~drawable).to(torch.uint8).argsort(dim=1, stable=True)
        self._drawable = self.neighbours.gather(1, order)
        self._counts = drawable.sum(1)
        self._place = torch.full((len(neighbours) + 1,), NOBODY)

    def negatives_allowed(self, rows: torch.Tensor) -> torch.Tensor:
        """Find the pairs of a batch that may be negatives of each other.

        An item is no negative of itself, nor of an item with the same text, nor of one that has it in its V_s or that
        is in its own.

        Args:
            rows: Items of the batch, each once; int64, shape [B].

        Returns:
            True where they may; symmetric; bool, shape [B, B].
        """
        self._place[rows] = torch.arange(len(rows))
        # NOBODY, which is the last place, is in no batch.
        columns = self._place[self.neighbours[rows]]
        self._place[rows] = NOBODY
        together = self.texts[rows, None] == self.texts[rows]
        of, place = (columns != NOBODY).nonzero(as_tuple=True)
        members = columns[of, place]
        together[of, members] = True
        together[members, of] = True
        return ~together

    def draw(self, rows: torch.Tensor, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Draw a positive from V_s for each item.

        Args:
            rows: Items; int64, shape [B].
            generator: Source of the draws.

        Returns:
            The positives, the item itself where there is none, and where there is one; both of shape [B].
        """
        counts = self._counts[rows]
        number = (torch.rand(len(rows), generator=generator) * counts).long()
        has_one = counts > 0
        return torch.where(has_one, self._drawable[rows, number], rows), has_one
