"""Choose a causal encoder by its name."""

from __future__ import annotations

from typing import Literal

from torch import nn

from recbole_idp.config.setting import Affects, Count, Number, setting
from recbole_idp.nn.encoder.dilated import DilatedBlock, DilatedEncoder
from recbole_idp.nn.encoder.keys import DilatedSettings, EncoderSettings
from recbole_idp.nn.encoder.kinds import ENCODERS, sequence_encoder
from recbole_idp.nn.encoder.token import TokenEncoder

CausalKind = Literal["NextItNet", "SASRec", "BSARec", "LiGR", "HSTU"]

_BOTH = Affects.PRETRAINING | Affects.TRAINING


class CausalSettings(EncoderSettings, DilatedSettings):
    """A causal encoder of one of the kinds, as PeterRec and Conure have it."""

    hidden_size: Count = setting(64, "default: width of item vectors and encoder; paper: 256.", _BOTH)
    initializer_range: Number = setting(0.02, "paper: standard deviation of the initial weights.", _BOTH)
    encoder: CausalKind = setting(  # type: ignore[assignment]  # one more than others have
        "NextItNet", "paper: NextItNet, dilated convolutions; SASRec; BSARec, LiGR, HSTU.", _BOTH
    )


SIZES: dict[str, tuple[str, ...]] = {
    "NextItNet": ("hidden_size", "kernel_size", "dilations", "block_num"),
    **{kind: encoder.sizes for kind, encoder in ENCODERS.items()},
}
"""Keys that decide, by the kind, whether weights fit."""


def causal_encoder(settings: CausalSettings, max_length: int, block: type[DilatedBlock]) -> nn.Module:
    """Build a causal encoder for sequences with a place for a token.

    Args:
        settings: Kind and sizes.
        max_length: Events of a sequence at most, without the token.
        block: The class of the blocks of convolutions.

    Returns:
        With random weights.
    """
    if settings.encoder == "NextItNet":
        return DilatedEncoder(settings, block)
    return sequence_encoder(settings, max_length + 1)


def user_encoder(
    settings: CausalSettings, max_length: int, block: type[DilatedBlock], std: float = 0.02
) -> TokenEncoder:
    """Build a causal encoder that reads a user at a token.

    Args:
        settings: Kind and sizes.
        max_length: Events of a sequence at most, without the token.
        block: The class of the blocks of convolutions.
        std: Standard deviation of the token's initial vector.

    Returns:
        With random weights.
    """
    return TokenEncoder(causal_encoder(settings, max_length, block), settings.hidden_size, std)
