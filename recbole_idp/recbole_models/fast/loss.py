"""Losses of the fast models on trimmed batches, without the matrix of all scores."""

from collections.abc import Callable

import torch
from recbole.data.interaction import Interaction
from recbole.model.abstract_recommender import SequentialRecommender

from recbole_idp.nn.softmax import softmax_loss
from recbole_idp.recbole_models.trimmed import TrimmedRows


class TrimmedModel:
    """Mixin for RecBole's sequential models that are trained on trimmed batches."""

    calculate_loss: Callable[[Interaction], torch.Tensor]

    def batch_loss(self, batch: TrimmedRows) -> torch.Tensor:
        """Return the mean loss over the targets of a batch; a scalar.

        Args:
            batch: Rows in parts of like length.
        """
        return batch.mean(self.calculate_loss(part) for part in batch.parts)


def next_item_loss(model: SequentialRecommender, states: torch.Tensor, rows: Interaction) -> torch.Tensor:
    """Return the loss of predicting the item after each history, as ``loss_type`` of the model says.

    "CE" is the softmax over all items, in chunks of rows. RecBole holds the scores of all items at once, and on a large
    catalogue reading and writing them is most of the training.

    Args:
        model: RecBole's SASRec, GRU4Rec or FDSA.
        states: State at the end of each history; shape [B, D].
        rows: The B rows: right items, and for "BPR" one negative each.

    Returns:
        The mean over the rows; a scalar.
    """
    positives = rows[model.POS_ITEM_ID]
    if model.loss_type == "BPR":
        positive_scores = torch.sum(states * model.item_embedding(positives), dim=-1)
        negative_scores = torch.sum(states * model.item_embedding(rows[model.NEG_ITEM_ID]), dim=-1)
        return model.loss_fct(positive_scores, negative_scores)
    return softmax_loss(states, model.item_embedding.weight, positives)
