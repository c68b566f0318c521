"""Models that take the vectors of history items from a pre-training, and learn those of the candidates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from recbole_idp.errors import UserError
from recbole_idp.models.base.sequence_model import SequenceModel
from recbole_idp.nn.lookup import lookup

if TYPE_CHECKING:
    from recbole.config import Config

    from recbole_idp.models.base.sequence_model import ModelData


class TwoTablesModel(SequenceModel):
    """Candidates have one table, history items another: the one learns where the other stays as pre-trained.

    An item of the target in a history has its vector as candidate, as in SASRec.

    Attributes:
        item_embedding (nn.Embedding): Vectors of the candidates; shape [N, D].
        history_embedding (nn.Embedding): Row 0 is padding, row s + 1 the vector of history item s; shape [S + 1, D].
    """

    def __init__(self, config: Config, dataset: ModelData) -> None:
        super().__init__(config, dataset)
        self.item_embedding = nn.Embedding(self.n_items, self.hidden_size, padding_idx=0)
        self.history_embedding = nn.Embedding(self.n_inputs - self.n_items + 1, self.hidden_size, padding_idx=0)
        for table in (self.item_embedding, self.history_embedding):
            nn.init.normal_(table.weight, std=self.initializer_range)
            with torch.no_grad():
                table.weight[0] = 0

    def item_vectors(self) -> torch.Tensor:
        """Return the vector of every input: the candidates, then the history items; shape [I, D]."""
        return torch.cat([self.item_embedding.weight, self.history_embedding.weight[1:]])

    def candidate_vectors(self) -> torch.Tensor:
        """Return the vector of every candidate; shape [N, D]."""
        return self.item_embedding.weight

    def encode(self, items: torch.Tensor) -> torch.Tensor:
        """Encode sequences; as in :class:`SequenceModel`."""
        other = items >= self.n_items
        vectors = lookup(self.item_embedding.weight, items.masked_fill(other, 0))
        if self.n_inputs > self.n_items:
            others = lookup(self.history_embedding.weight, (items - self.n_items + 1).clamp(min=0))
            vectors = torch.where(other.unsqueeze(2), others, vectors)
        return self.encoder(vectors, items == 0)

    def load_history(self, vectors: torch.Tensor, rows: torch.Tensor) -> None:
        """Load the vectors of history items.

        Args:
            vectors: Pre-trained vectors; shape [R, D].
            rows: Row of each history item among them, 0 for an item without, which keeps its own; int64, shape [S].

        Raises:
            UserError: The vectors have another width.
        """
        if vectors.shape[1] != self.hidden_size:
            raise UserError(
                f"the pre-trained item vectors have width {vectors.shape[1]}, and hidden_size is {self.hidden_size}: "
                "take a folder that was pre-trained with this width, or pre-train again"
            )
        known = rows > 0
        with torch.no_grad():
            self.history_embedding.weight[1:][known] = vectors[rows[known]].to(self.history_embedding.weight)
