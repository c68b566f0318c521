"""Late fusion: the scores of two models, added."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from recbole_idp.models.base.serving import Serving

if TYPE_CHECKING:
    from recbole.config import Config
    from recbole.data.interaction import Interaction

    from recbole_idp.data.dataset import SequenceDataset


class FusedModel(nn.Module):
    """A model whose scores are those of one model, and ``weight`` times those of another.

    Log-softmax of the first model's scores instead of the scores themselves would give the same order: what it
    subtracts is the same for all items of a row.

    Args:
        model: The model; a RecBole sequential recommender.
        other: The model that is added to it, of the same items.
        weight: Weight of its scores.

    Attributes:
        model: As given.
        other: As given.
        weight: As given; it may be changed.
    """

    def __init__(self, model: Any, other: Any, weight: float) -> None:
        super().__init__()
        self.model, self.other, self.weight = model, other, weight
        self.n_items, self.device = model.n_items, model.device
        self.ITEM_SEQ, self.ITEM_SEQ_LEN, self.ITEM_ID = model.ITEM_SEQ, model.ITEM_SEQ_LEN, model.ITEM_ID

    def full_sort_predict(self, interaction: Interaction) -> torch.Tensor:
        """Compute the scores of all items for each row; shape [B, N]."""
        scores = self.model.full_sort_predict(interaction).view(-1, self.n_items)
        return scores.add(self.other.full_sort_predict(interaction), alpha=self.weight)

    def content_parts(self, config: Config, dataset: SequenceDataset) -> None:
        """Return that no text alone makes an item: it has vectors of both models."""

    def serving(self) -> Serving:
        """Return the parts that compute scores: vectors side by side, so that their product adds both scores."""
        first, second = self.model.serving(), self.other.serving()
        kinds = (first.encoder_kind, second.encoder_kind)
        return Serving(
            item_vectors=torch.cat([first.item_vectors, second.item_vectors], 1),
            candidate_vectors=torch.cat([first.candidate_vectors, self.weight * second.candidate_vectors], 1),
            item_bias=first.item_bias,
            encoder=nn.ModuleList([first.encoder, second.encoder]),
            encoder_kind=None if None in kinds else "Fused",
            excludes_history=first.excludes_history,
            hidden_event=first.hidden_event,
            parts=(first, second),
        )
