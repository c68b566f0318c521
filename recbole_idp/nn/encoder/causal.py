"""Choose a causal encoder by its name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from torch import nn

from recbole_idp.nn.encoder.dilated import DilatedBlock, DilatedEncoder
from recbole_idp.nn.encoder.keys import DilatedSettings, TransformerSettings
from recbole_idp.nn.encoder.token import TokenEncoder
from recbole_idp.nn.encoder.transformer import TransformerEncoder

CausalKind = Literal["NextItNet", "SASRec"]

_TRANSFORMER_SIZES = ("hidden_size", "n_layers", "n_heads", "inner_size", "hidden_act", "MAX_ITEM_LIST_LENGTH")
SIZES: dict[str, tuple[str, ...]] = {
    "NextItNet": ("hidden_size", "kernel_size", "dilations", "block_num"),
    "SASRec": _TRANSFORMER_SIZES,
}
"""Keys that decide, by the kind, whether weights fit."""


def causal_encoder(kind: str, config: Any, block: type[DilatedBlock]) -> nn.Module:
    """Build a causal encoder for sequences with a place for a token.

    Args:
        kind: A :data:`CausalKind`.
        config: A configuration with the keys of its sizes.
        block: The class of the blocks of convolutions.

    Returns:
        With random weights.
    """
    max_length = config["MAX_ITEM_LIST_LENGTH"] + 1
    builders: dict[str, Callable[[], nn.Module]] = {
        "NextItNet": lambda: DilatedEncoder(DilatedSettings.of(config), block),
        "SASRec": lambda: TransformerEncoder(TransformerSettings.of(config), max_length),
    }
    return builders[kind]()


def user_encoder(kind: str, config: Any, block: type[DilatedBlock], std: float = 0.02) -> TokenEncoder:
    """Build a causal encoder that reads a user at a token.

    Args:
        kind: A :data:`CausalKind`.
        config: A configuration with the keys of its sizes.
        block: The class of the blocks of convolutions.
        std: Standard deviation of the token's initial vector.

    Returns:
        With random weights.
    """
    return TokenEncoder(causal_encoder(kind, config, block), config["hidden_size"], std)
