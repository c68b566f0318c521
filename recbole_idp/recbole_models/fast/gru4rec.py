"""RecBole's GRU4Rec, faster."""

import torch
from recbole.config import Config
from recbole.data.dataset import Dataset
from recbole.data.interaction import Interaction
from recbole.model.sequential_recommender.gru4rec import GRU4Rec

from recbole_idp.nn.dropout import Dropout
from recbole_idp.recbole_models.fast.loss import TrimmedModel, next_item_loss


class FastGRU4Rec(TrimmedModel, GRU4Rec):
    """Recurrent sequential recommendation (arXiv 1606.08117), with RecBole's parameters, states and scores.

    item ids -> GRU -> dense layer -> state at the end of the history . item vectors -> scores

    Args:
        config: RecBole's configuration.
        dataset: RecBole's dataset.
    """

    def __init__(self, config: Config, dataset: Dataset) -> None:
        super().__init__(config, dataset)
        self.emb_dropout = Dropout(self.dropout_prob)

    def calculate_loss(self, interaction: Interaction) -> torch.Tensor:
        """Return the mean loss over the rows; a scalar."""
        states = self.forward(interaction[self.ITEM_SEQ], interaction[self.ITEM_SEQ_LEN])
        return next_item_loss(self, states, interaction)
