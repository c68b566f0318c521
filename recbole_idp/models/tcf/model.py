"""TCF: text-based collaborative filtering (arXiv 2305.11700)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from recbole_idp.data.rows import Batch, after_last
from recbole_idp.models.morec.model import MoRec
from recbole_idp.nn.in_batch import events_of, held_by_rows, in_batch_softmax_loss

if TYPE_CHECKING:
    from recbole.config import Config
    from recbole.data.interaction import Interaction

    from recbole_idp.models.base.sequence_model import ModelData
    from recbole_idp.models.morec.contents import ItemContents


class TCF(MoRec):
    """TCF, frozen or fine-tuned, in SASRec (arXiv 2305.11700).

    item texts -> text encoder -> dense layers with GELU -> item vectors
    item ids -> item vectors + positions -> SASRec blocks -> last state . item vectors -> scores

    What differs from MoRec: the softmax is over the events of the batch instead of all items, each score being lowered
    by the logarithm of its item's popularity; the user's own items are no negatives. As training never compares items
    of one history, they get the lowest score (``exclude_history``); the paper removes them from the candidates, too.

    Attributes:
        log_popularity (torch.Tensor): Logarithm of each item's share of the training events; shape [N].
    """

    paper = "arXiv 2305.11700"
    own_negatives = False

    def __init__(self, config: Config, dataset: ModelData, contents: ItemContents | None = None) -> None:
        super().__init__(config, dataset, contents)
        self.register_buffer("log_popularity", log_popularity(dataset, self.n_items), persistent=False)

    def position_loss(self, batch: Batch) -> torch.Tensor:
        """Compute the mean loss over all positions that have a target; arguments as in :class:`SequenceModel`."""
        events = [events_of(items, targets) for items, targets in batch.parts]
        read = None if self.content is None else self.encode_only(torch.cat([part.flatten() for part in events]))
        with self.items_encoded_once(read):
            vectors = self.item_vectors()
            candidates, counts = torch.cat([part[part > 0] for part in events]).unique(return_counts=True)
            bias = counts.log() - self.log_popularity[candidates]
            total: torch.Tensor = 0.0  # type: ignore[assignment]  # a tensor after the first part
            for (items, targets), own in zip(batch.parts, events, strict=True):
                rows, places = targets.nonzero(as_tuple=True)
                states, wanted = self.encode(items)[rows, places], targets[rows, places]
                # Of the target's own events one counts, and none of its user's other items.
                held = held_by_rows(own, self.n_items, candidates)
                place, wanted_bias = torch.searchsorted(candidates, wanted), -self.log_popularity[wanted]
                total = total + in_batch_softmax_loss(states, place, rows, vectors[candidates], bias, held, wanted_bias)
        return total / batch.n_targets

    def step_inputs(self, batch_size: int) -> int:
        """Return how many inputs a step encodes at most: its events and targets."""
        return 2 * batch_size

    def calculate_loss(self, interaction: Interaction) -> torch.Tensor:
        """Compute the mean loss of rows with one target each, a hook of RecBole; scalar."""
        items = interaction[self.ITEM_SEQ]
        targets = after_last(items, interaction[self.ITEM_SEQ_LEN], interaction[self.POS_ITEM_ID])
        return self.position_loss(Batch(((items, targets),), len(items)))


def log_popularity(dataset: ModelData, n_items: int) -> torch.Tensor:
    """Compute the log popularity of items in the training events; an item without any counts as if it had one.

    Args:
        dataset: The training data.
        n_items: Number of items N.

    Returns:
        Logarithm of each item's share of the events; shape [N].
    """
    targets = dataset.targets()
    events = torch.cat([targets.starts, targets.ends]).unique()
    counts = torch.bincount(targets.sequences.items[events], minlength=n_items).clamp_min(1).float()
    return (counts / counts.sum()).log()
