"""UniSRec as it is pre-trained on the source domains (arXiv 2206.05941)."""

import torch
from torch.nn import functional

from recbole_idp.data.rows import PositionBatches
from recbole_idp.models.unisrec.model import UniSRec, adaptor_inputs, unit
from recbole_idp.models.unisrec.views import ViewBatches
from recbole_idp.nn.in_batch import held_by_rows, in_batch_softmax_loss


class UniSRecPretraining(UniSRec):
    """UniSRec with its two contrastive losses over batches of all domains.

    sequence-item: a sequence's state against the next items of the batch's sequences
    + lambda * sequence-sequence: its state against second views of the batch's sequences

    What is the paper's and done with less work: the blocks are causal, so that one pass over a user's events gives the
    state of each of the sequences that the paper's code makes of them, and each is trained on the sequence-item loss;
    a second view, which needs a pass of its own, is made of one of them a row, drawn anew each epoch, and stands for
    all of them. An item is adapted once a step, for all its events.

    Negatives are exact: sequences that share the next item are no negatives of one another (the paper's code gives
    them the score 0, which still counts), nor are the next items of a sequence's own user, of which the paper's batches
    of shuffled sequences have next to none.

    Args:
        config (Config): RecBole's configuration.
        dataset (Dataset): The joined source domains.
        text_vectors (np.ndarray): Vectors of items 1 to N - 1; shape [N - 1, W].
        reworded_vectors (np.ndarray | None): Vectors of their texts without some of the words; None: no view drops
            words.
    """

    texts_in_checkpoint = False

    def __init__(self, config, dataset, text_vectors, reworded_vectors=None):
        self._given = adaptor_inputs(text_vectors)
        super().__init__(config, dataset)
        del self._given
        reworded = None if reworded_vectors is None else adaptor_inputs(reworded_vectors)
        self.register_buffer("reworded_vectors", reworded, persistent=False)
        self.sequence_loss_weight = config["sequence_loss_weight"]
        self.item_drop = config["item_drop_coefficient"], config["item_drop_ratio"]

    def read_texts(self, config, dataset):
        """Returns the given text vectors; shape [N, W]."""
        return self._given

    def training_batches(self, targets, config, generator):
        """Makes rows with second views; arguments as in :class:`SequenceModel`."""
        rows = PositionBatches(targets, config["MAX_ITEM_LIST_LENGTH"], config["train_batch_size"], generator)
        return ViewBatches(rows, *self.item_drop, generator)

    def position_loss(self, batch):
        """Computes the two losses.

        Args:
            batch (ViewBatch): Rows and their second views.

        Returns:
            torch.Tensor: Scalar.
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

    def _sequence_item_loss(self, states, targets, vectors):
        """Returns the sum over all sequences of the sequence-item loss."""
        rows, places = targets.nonzero(as_tuple=True)
        wanted = targets[rows, places]
        candidates, counts = wanted.unique(return_counts=True)
        held = held_by_rows(targets, len(vectors), candidates)
        place = torch.searchsorted(candidates, wanted)
        return in_batch_softmax_loss(states[rows, places], place, rows, unit(vectors[candidates]), counts.log(), held)

    def _encode_views(self, views, reworded, vectors, numbers):
        """Returns the state of each second view, of length one; shape [B, D]."""
        lengths = (views > 0).sum(1)
        if reworded.any():
            chosen, place = views[reworded].unique(return_inverse=True)
            others = self.item_encoder(self.reworded_vectors[numbers[chosen]])
            views = views.masked_scatter(reworded, place + len(vectors))
            vectors = torch.cat([vectors, others])
        states = self.encoder(functional.embedding(views, vectors), views == 0)
        return unit(self.gather_indexes(states, lengths - 1))

    def _sequence_sequence_loss(self, states, targets, cuts, seen):
        """Returns the mean of the sequence-sequence loss, each row counting for all of its sequences."""
        rows = torch.arange(len(cuts), device=cuts.device)
        wanted = targets[rows, cuts]
        same = (wanted.unsqueeze(1) == wanted).fill_diagonal_(False)
        scores = (states[rows, cuts] @ seen.t()).masked_fill(same, float("-inf"))
        weights = (targets > 0).sum(1)
        return (functional.cross_entropy(scores, rows, reduction="none") * weights).sum() / weights.sum()
