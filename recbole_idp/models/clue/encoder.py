"""The user encoder of CLUE (ICDM 2021)."""

from __future__ import annotations

from recbole_idp.nn.encoder.keys import EncoderSettings
from recbole_idp.nn.encoder.kinds import sequence_encoder
from recbole_idp.nn.encoder.token import TokenEncoder


def user_encoder(settings: EncoderSettings, max_length: int) -> TokenEncoder:
    """Build an encoder that reads the user at [UR], which has a position of its own; with random weights."""
    blocks = sequence_encoder(settings, max_length + 1)
    return TokenEncoder(blocks, settings.hidden_size, settings.initializer_range)
