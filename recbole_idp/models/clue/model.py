"""CLUE: contrastive user encoders, pre-trained without negatives (ICDM 2021)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from recbole_idp.models.base.transferred import ENCODER_KEYS, take_over
from recbole_idp.models.base.two_tables import TwoTablesModel
from recbole_idp.models.clue.encoder import user_encoder
from recbole_idp.nn.encoder.keys import EncoderSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from recbole.config import Config

    from recbole_idp.models.base.sequence_model import ModelData
    from recbole_idp.nn.encoder.token import TokenEncoder


class CLUE(TwoTablesModel):
    """CLUE on a task: a softmax layer on the user vector of a pre-trained encoder (ICDM 2021).

    item ids, [UR] -> item vectors + positions -> SASRec blocks -> state h of [UR] -> h . candidate vectors + bias

    Built from a configuration alone its weights are random, which is the paper's CLUE_zero.
    :class:`~recbole_idp.models.clue.trainer.CLUETrainer` loads the pre-trained ones. Then all are trained.

    Attributes:
        output_bias (nn.Parameter): Added to the score of each candidate; shape [N].
    """

    def __init__(self, config: Config, dataset: ModelData) -> None:
        super().__init__(config, dataset)
        self.output_bias = nn.Parameter(torch.zeros(self.n_items))

    def build_encoder(self, config: Config) -> TokenEncoder:
        """Build the encoder that reads the user at [UR]."""
        settings = EncoderSettings.of(config)
        self.encoder_kind = f"{settings.encoder}Token"
        return user_encoder(settings, config["MAX_ITEM_LIST_LENGTH"])

    def item_bias(self) -> torch.Tensor:
        """Return the bias added to the score of every candidate; shape [N]."""
        return self.output_bias

    def start_from(self, state: Mapping[str, torch.Tensor], rows: torch.Tensor) -> None:
        """Load the pre-trained encoder, and the pre-trained vectors of the history items.

        Args:
            state: Pre-trained weights of ``item_embedding`` and ``encoder``.
            rows: The pre-trained row of each history item, 0 for an item without; int64, shape [S].

        Raises:
            UserError: The weights are of other sizes than this model's.
        """
        encoder = {name: value for name, value in state.items() if name.startswith("encoder.")}
        take_over(self, encoder, ["encoder"], ENCODER_KEYS, "the pre-trained CLUE")
        self.load_history(state["item_embedding.weight"], rows)
