"""The user encoder of CLUE (ICDM 2021)."""

from __future__ import annotations

from recbole_idp.nn.encoder.keys import TransformerSettings
from recbole_idp.nn.encoder.token import TokenEncoder
from recbole_idp.nn.encoder.transformer import TransformerEncoder


def user_encoder(settings: TransformerSettings, max_length: int) -> TokenEncoder:
    """Build SASRec's blocks that read the user at [UR], which has a position of its own; with random weights."""
    blocks = TransformerEncoder(settings, max_length + 1)
    return TokenEncoder(blocks, settings.hidden_size, settings.initializer_range)
