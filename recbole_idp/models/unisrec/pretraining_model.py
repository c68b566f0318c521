"""UniSRec as it is pre-trained on the source domains (arXiv 2206.05941)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from recbole_idp.data.rows import PositionBatches
from recbole_idp.models.unisrec.model import UniSRec, adaptor_inputs, unit
from recbole_idp.models.unisrec.views import ViewBatches
from recbole_idp.nn.in_batch import held_by_rows, in_batch_softmax_loss

if TYPE_CHECKING:
    import numpy as np
    from recbole.config import Config

    from recbole_idp.data.dataset import SequenceDataset
    from recbole_idp.data.sequences import Targets
    from recbole_idp.models.base.sequence_model import ModelData
    from recbole_idp.models.unisrec.views import ViewBatch


class UniSRecPretraining(UniSRec):
    """UniSRec with its two contrastive losses over batches of all domains.

    sequence-item: a sequence's state against the next items of the batch's sequences
    + lambda * sequence-sequence: its state against second views of the batch's sequences

    The losses are the paper's, with less computation. The blocks are causal, so that one pass over a user's events
    gives the state of each of the sequences that the paper's code makes of them, and each is trained on the
    sequence-item loss. A second view needs a pass of its own: it is made of one sequence a row, drawn again each epoch,
    which represents all of them. An item is adapted once a step, for all its events.

    Negatives are exact: sequences that share the next item are no negatives of one another (the paper's code gives them
    the score 0, which still counts), nor are the next items of a sequence's own user, which the paper's batches of
    shuffled sequences hardly have.

    Args:
        config: RecBole's configuration.
        dataset: The joined source domains.
        text_vectors: Vectors of items 1 to N - 1; shape [N - 1, W].
        reworded_vectors: Vectors of their texts without some of the words; None: no view drops words.
    """

    reworded_vectors: torch.Tensor | None

    texts_in_checkpoint = False

    def __init__(
        self,
        config: Config,
        dataset: ModelData,
        text_vectors: np.ndarray,
        reworded_vectors: np.ndarray | None = None,
    ) -> None:
        self._given = adaptor_inputs(text_vectors)
        super().__init__(config, dataset)  # type: ignore[arg-type]  # the given vectors stand in for its texts
        del self._given
        reworded = None if reworded_vectors is None else adaptor_inputs(reworded_vectors)
        self.register_buffer("reworded_vectors", reworded, persistent=False)
        self.sequence_loss_weight = config["sequence_loss_weight"]
        self.item_drop = config["item_drop_coefficient"], config["item_drop_ratio"]

    def read_texts(self, config: Config, dataset: SequenceDataset) -> torch.Tensor:
        """Return the given text vectors; shape [N, W]."""
        return self._given

    def training_batches(self, targets: Targets, config: Config, generator: torch.Generator) -> ViewBatches:
        """Build rows with second views; arguments as in :class:`SequenceModel`."""
        rows = PositionBatches(targets, config["MAX_ITEM_LIST_LENGTH"], config["train_batch_size"], generator)
        return ViewBatches(rows, *self.item_drop, generator)

    def position_loss(self, batch: ViewBatch) -> torch.Tensor:  # type: ignore[override]  # of its training_batches
        """Compute the two losses.

        Args:
            batch: Rows and their second views.

        Returns:
            Scalar.
        """
        ((items, targets),) = batch.parts
        shapes = [items.shape, targets.shape, batch.views.shape]
        everything = torch.cat([items.new_zeros(1), items.flatten(), targets.flatten(), batch.views.flatten()])
        # From here on items are numbered within the batch; padding stays 0.
        numbers, places = everything.unique(return_inverse=True)
        parts = places[1:].split([shape.numel() for shape in shapes])
        items, targets, views = (part.view(shape) for part, shape in zip(parts, shapes, strict=True))
        vectors = self.item_encoder(self.text_vectors[numbers])
        with self.items_encoded_once(vectors):
            states = self.encode(items)
        item_loss = self._sequence_item_loss(states, targets, vectors) / batch.n_targets
        seen = self._encode_views(views, batch.reworded, vectors, numbers)
        return item_loss + self.sequence_loss_weight * self._sequence_sequence_loss(states, targets, batch.cuts, seen)

    def _sequence_item_loss(self, states: torch.Tensor, targets: torch.Tensor, vectors: torch.Tensor) -> torch.Tensor:
        """Return the sum over all sequences of the sequence-item loss."""
        rows, places = targets.nonzero(as_tuple=True)
        target_items = targets[rows, places]
        candidates, counts = target_items.unique(return_counts=True)
        held = held_by_rows(targets, len(vectors), candidates)
        place = torch.searchsorted(candidates, target_items)
        return in_batch_softmax_loss(states[rows, places], place, rows, unit(vectors[candidates]), counts.log(), held)

    def _encode_views(
        self, views: torch.Tensor, reworded: torch.Tensor, vectors: torch.Tensor, numbers: torch.Tensor
    ) -> torch.Tensor:
        """Return the state of each second view, of length one; shape [B, D]."""
        lengths = (views > 0).sum(1)
        if reworded.any():
            chosen, place = views[reworded].unique(return_inverse=True)
            others = self.item_encoder(self.reworded_vectors[numbers[chosen]])  # type: ignore[index]  # given
            views = views.masked_scatter(reworded, place + len(vectors))
            vectors = torch.cat([vectors, others])
        states = self.encoder(functional.embedding(views, vectors), views == 0)
        return unit(self.gather_indexes(states, lengths - 1))

    def _sequence_sequence_loss(
        self, states: torch.Tensor, targets: torch.Tensor, cuts: torch.Tensor, seen: torch.Tensor
    ) -> torch.Tensor:
        """Return the mean of the sequence-sequence loss, each row weighted by its number of sequences."""
        rows = torch.arange(len(cuts), device=cuts.device)
        target_items = targets[rows, cuts]
        same = (target_items.unsqueeze(1) == target_items).fill_diagonal_(False)
        scores = (states[rows, cuts] @ seen.t()).masked_fill(same, float("-inf"))
        weights = (targets > 0).sum(1)
        return (functional.cross_entropy(scores, rows, reduction="none") * weights).sum() / weights.sum()
