"""The causal encoders that a model takes by its key ``encoder``."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from recbole_idp.nn.encoder.bsarec import BSARecEncoder
from recbole_idp.nn.encoder.hstu import HSTUEncoder
from recbole_idp.nn.encoder.ligr import LiGREncoder
from recbole_idp.nn.encoder.transformer import TransformerEncoder

if TYPE_CHECKING:
    from collections.abc import Callable

    from recbole_idp.nn.encoder.keys import EncoderSettings
    from recbole_idp.nn.encoder.pre_norm import PreNormEncoder


class Kind(NamedTuple):
    """An encoder.

    Attributes:
        build: Makes it, with random weights, from its settings and the maximum number of events.
        sizes: Keys that decide on whether weights fit, and on what they mean.
    """

    build: Callable[[EncoderSettings, int], TransformerEncoder | PreNormEncoder]
    sizes: tuple[str, ...]


_EVERY = ("hidden_size", "n_layers", "n_heads")
_LENGTH = "MAX_ITEM_LIST_LENGTH"
ENCODERS: dict[str, Kind] = {
    "SASRec": Kind(TransformerEncoder, (*_EVERY, "inner_size", "hidden_act", _LENGTH)),
    "BSARec": Kind(BSARecEncoder, (*_EVERY, "inner_size", "hidden_act", "bsarec_alpha", "bsarec_c", _LENGTH)),
    "LiGR": Kind(LiGREncoder, (*_EVERY, "inner_size", _LENGTH)),
    "HSTU": Kind(HSTUEncoder, (*_EVERY, _LENGTH)),
}
"""By the values of :data:`~recbole_idp.nn.encoder.keys.EncoderKind`."""


def sequence_encoder(settings: EncoderSettings, max_length: int) -> TransformerEncoder | PreNormEncoder:
    """Build the causal encoder that the key ``encoder`` names.

    Args:
        settings: Kind, sizes and dropout.
        max_length: Maximum number of events in a sequence.

    Returns:
        With random weights.
    """
    return ENCODERS[settings.encoder].build(settings, max_length)
