"""MoRec: recommendation from the content of items instead of their IDs (arXiv 2303.13835)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from recbole_idp.models.base.text_model import TextModel
from recbole_idp.nn.dropout import Dropout

if TYPE_CHECKING:
    from recbole.config import Config


class MoRec(TextModel):
    """MoRec with a frozen text encoder, in SASRec (arXiv 2303.13835, the two-stage way of its section on training).

    item texts -> frozen vectors -> dense layers with GELU -> item vectors
    item ids -> item vectors + positions -> SASRec blocks -> last state . item vectors -> scores

    One dense layer, the paper's "DT layer", takes the place of the ID table; more of them may follow
    (``projection_layers``). The paper trains with binary cross-entropy against one drawn item
    (``--loss_type=BCE --train_negatives=1``); the default here is the softmax over all items, as for SASRec.
    """

    def build_item_encoder(self, config: Config, text_width: int) -> nn.Sequential:
        """Build the dense layers."""
        return projection(text_width, self.hidden_size, config["projection_layers"], config["projection_dropout_prob"])


def projection(text_width: int, width: int, n_layers: int, dropout_prob: float) -> nn.Sequential:
    """Build dense layers, each followed by GELU, with dropout before each but the first.

    Args:
        text_width: Width of the first layer's input.
        width: Width of each layer's output.
        n_layers: At least one.
        dropout_prob: Probability that an element becomes zero.

    Returns:
        With Glorot's normal weights and no bias at first, as in the papers' code.
    """
    layers = [nn.Linear(text_width, width), nn.GELU()]
    for _ in range(n_layers - 1):
        layers += [Dropout(dropout_prob), nn.Linear(width, width), nn.GELU()]
    for layer in layers:
        if isinstance(layer, nn.Linear):
            nn.init.xavier_normal_(layer.weight)
            nn.init.zeros_(layer.bias)
    return nn.Sequential(*layers)
