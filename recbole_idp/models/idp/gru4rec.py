"""IDP on GRU4Rec."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from recbole_idp.models.idp.model import IDP
from recbole_idp.nn.encoder.gru import GRUEncoder
from recbole_idp.nn.encoder.keys import GRUSettings

if TYPE_CHECKING:
    from recbole.config import Config


class IDP_GRU4Rec(IDP):
    """IDP whose base model is GRU4Rec (IDP: any ID-based sequence model would do).

    item ids -> E^T -> GRU, dense layer -> last state . E^T -> scores
    """

    encoder_kind = "GRU4Rec"
    encoder_keys = ("hidden_size", "gru_hidden_size", "gru_layers")

    def build_encoder(self, config: Config) -> GRUEncoder:
        """Build the recurrent encoder."""
        return GRUEncoder(config["hidden_size"], GRUSettings.of(config))

    def _initialise(self, module: nn.Module) -> None:
        # The layer after the GRU keeps PyTorch's own start, as in RecBole: no norm makes up for smaller weights.
        if not isinstance(module, nn.Linear):
            super()._initialise(module)
