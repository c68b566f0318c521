"""Models whose item vectors come from the items' texts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from recbole_idp.content.text.encoding import TextEncoding
from recbole_idp.models.base.encoded_items import EncodedItemsModel
from recbole_idp.models.base.text_vectors import unit_text_vectors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from recbole.config import Config
    from recbole.data.interaction import Interaction
    from torch import nn

    from recbole_idp.data.dataset import SequenceDataset
    from recbole_idp.data.rows import Batch


class TextModel(EncodedItemsModel):
    """A next-item model without item IDs: a trained item encoder turns texts into item vectors.

    item texts -> frozen vectors -> item encoder -> item vectors
    item ids -> item vectors + positions -> SASRec blocks -> last state . item vectors -> scores

    Shapes: B batch, L length, D width, N items, W width of the frozen vectors; I inputs, which are the items and, where
    users are joined with other domains, the items of these.

    Attributes:
        texts_in_checkpoint: Whether checkpoints hold the text vectors; otherwise the texts are encoded again.
        text_vectors: Input of the item encoder; shape [I, W].
        item_encoder (nn.Module): Turns them into item vectors [I, D].
    """

    text_vectors: torch.Tensor

    texts_in_checkpoint: bool = False

    def __init__(self, config: Config, dataset: SequenceDataset) -> None:
        super().__init__(config, dataset)
        if not self.keeps_ids(config):
            del self.item_embedding
        vectors = self.read_texts(config, dataset)
        self.register_buffer("text_vectors", vectors, persistent=self.texts_in_checkpoint)
        self.item_encoder = self.build_item_encoder(config, vectors.shape[1])

    def keeps_ids(self, config: Config) -> bool:
        """Return whether the model has a table of IDs beside the texts."""
        return False

    def read_texts(self, config: Config, dataset: SequenceDataset) -> torch.Tensor:
        """Return the frozen text vectors of all inputs; shape [I, W]."""
        return unit_text_vectors(TextEncoding.of(config), dataset)

    def build_item_encoder(self, config: Config, text_width: int) -> nn.Module:
        """Build the item encoder. Subclasses implement it."""
        raise NotImplementedError

    def encode_items(self) -> torch.Tensor:
        """Compute the vector of every input; shape [I, D]."""
        return self.item_encoder(self.text_vectors)

    def encode_rows(self, rows: torch.Tensor) -> torch.Tensor:
        """Compute the vectors of some inputs.

        Args:
            rows: Their numbers; int64, shape [R].

        Returns:
            Shape [R, D].
        """
        return self.item_encoder(self.text_vectors[rows])

    def encode_for(self, histories: Sequence[torch.Tensor]) -> torch.Tensor:
        """Compute the vectors that a training step reads: those of all candidates, and of the items in the histories.

        Items of other domains are many, and a step reads few of them.

        Args:
            histories: Items of any shape.

        Returns:
            Shape [I, D], zero for items that are not read.
        """
        if self.n_inputs == self.n_items:
            return self.item_vectors()
        read = torch.unique(torch.cat([items.flatten() for items in histories]))
        rows = torch.cat([torch.arange(self.n_items, device=read.device), read[read >= self.n_items]])
        vectors = self.encode_rows(rows)
        return vectors.new_zeros(self.n_inputs, vectors.shape[1]).index_copy(0, rows, vectors)

    def position_loss(self, batch: Batch) -> torch.Tensor:
        """Compute the mean loss over all positions that have a target; arguments as in :class:`SequenceModel`."""
        with self.items_encoded_once(self.encode_for([items for items, _ in batch.parts])):
            return super().position_loss(batch)

    def calculate_loss(self, interaction: Interaction) -> torch.Tensor:
        """Compute the mean loss of rows with one target each, a hook of RecBole; scalar."""
        with self.items_encoded_once(self.encode_for([interaction[self.ITEM_SEQ]])):
            return super().calculate_loss(interaction)
