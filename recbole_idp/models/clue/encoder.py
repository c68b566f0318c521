"""The user encoder of CLUE (ICDM 2021)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recbole_idp.nn.encoder.keys import TransformerSettings
from recbole_idp.nn.encoder.token import TokenEncoder
from recbole_idp.nn.encoder.transformer import TransformerEncoder

if TYPE_CHECKING:
    from recbole.config import Config


def user_encoder(config: Config) -> TokenEncoder:
    """Build SASRec's blocks that read the user at [UR], which has a position of its own; with random weights."""
    settings = TransformerSettings.of(config)
    blocks = TransformerEncoder(settings, config["MAX_ITEM_LIST_LENGTH"] + 1)
    return TokenEncoder(blocks, settings.hidden_size, settings.initializer_range)
