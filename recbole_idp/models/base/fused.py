"""Late fusion: the weighted scores of several models, added."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from recbole_idp.models.base.serving import Serving

if TYPE_CHECKING:
    from recbole.config import Config
    from recbole.data.interaction import Interaction

    from recbole_idp.data.dataset import SequenceDataset


class FusedModel(nn.Module):
    """A model whose scores are the weighted sum of the scores of several models of the same items.

    Log-softmax of each model's scores instead of the scores themselves would give the same order: what it subtracts is
    the same for all items of a row.

    Args:
        models: The models; RecBole's sequential recommenders, or fused models of these.
        weights: Weight of the scores of each, not all of them zero.

    Attributes:
        models: As given.
        weights: As given; they may be changed.
    """

    def __init__(self, models: Sequence[Any], weights: Sequence[float]) -> None:
        super().__init__()
        self.models: Any = nn.ModuleList(models)
        self.weights = list(weights)
        first = models[0]
        self.n_items, self.device = first.n_items, first.device
        self.ITEM_SEQ, self.ITEM_SEQ_LEN, self.ITEM_ID = first.ITEM_SEQ, first.ITEM_SEQ_LEN, first.ITEM_ID

    def full_sort_predict(self, interaction: Interaction) -> torch.Tensor:
        """Compute the scores of all items for each row; shape [B, N]."""
        return weighted_sum(self.each(interaction), self.weights)

    def each(self, interaction: Interaction) -> list[torch.Tensor]:
        """Compute the scores of all items for each row by each model; each of shape [B, N]."""
        return [model.full_sort_predict(interaction).view(-1, self.n_items) for model in self.models]

    def content_parts(self, config: Config, dataset: SequenceDataset) -> None:
        """Return that no text alone makes an item: it has vectors of all models."""

    def serving(self) -> Serving:
        """Return the parts that compute scores: vectors side by side, so that their product adds all scores."""
        parts: list[tuple[Serving, float]] = []
        for model, weight in zip(self.models, self.weights, strict=True):
            found = model.serving()
            own = found.part_weights or (1.0,)
            parts += [(part, weight * inner) for part, inner in zip(found.parts or (found,), own, strict=True)]
        biases = [weight * part.item_bias for part, weight in parts if part.item_bias is not None]
        return Serving(
            item_vectors=torch.cat([part.item_vectors for part, _ in parts], 1),
            candidate_vectors=torch.cat([weight * part.candidate_vectors for part, weight in parts], 1),
            item_bias=torch.stack(biases).sum(0) if biases else None,
            encoder=nn.ModuleList([part.encoder for part, _ in parts]),
            encoder_kind=None if None in {part.encoder_kind for part, _ in parts} else "Fused",
            excludes_history=any(part.excludes_history for part, _ in parts),
            hidden_event=parts[0][0].hidden_event,
            parts=tuple(part for part, _ in parts),
            part_weights=tuple(weight for _, weight in parts),
        )


def weighted_sum(scores: Sequence[torch.Tensor], weights: Sequence[float]) -> torch.Tensor:
    """Add scores, each with its weight; those of weight 0 are left out, so that their infinities do no harm.

    Args:
        scores: Scores of each model, of shape [B, N].
        weights: Weight of each, not all of them zero.
    """
    used = [(part, weight) for part, weight in zip(scores, weights, strict=True) if weight]
    total = used[0][0] * used[0][1]
    for part, weight in used[1:]:
        total.add_(part, alpha=weight)
    return total
