"""Choose a causal encoder by its name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from torch import nn

from recbole_idp.nn.encoder.dilated import DilatedBlock, DilatedEncoder
from recbole_idp.nn.encoder.keys import DilatedSettings, TransformerSettings
from recbole_idp.nn.encoder.transformer import TransformerEncoder

CausalKind = Literal["NextItNet", "SASRec"]

_TRANSFORMER_SIZES = ("hidden_size", "n_layers", "n_heads", "inner_size", "hidden_act", "MAX_ITEM_LIST_LENGTH")
SIZES: dict[str, tuple[str, ...]] = {
    "NextItNet": ("hidden_size", "kernel_size", "dilations", "block_num"),
    "SASRec": _TRANSFORMER_SIZES,
}
"""Keys that decide, by the kind, whether weights fit."""


def causal_encoder(kind: str, config: Any, max_length: int, block: type[DilatedBlock]) -> nn.Module:
    """Build a causal encoder.

    Args:
        kind: A :data:`CausalKind`.
        config: A configuration with the keys of its sizes.
        max_length: Maximum number of vectors in a sequence.
        block: The class of the blocks of convolutions.

    Returns:
        With random weights.
    """
    builders: dict[str, Callable[[], nn.Module]] = {
        "NextItNet": lambda: DilatedEncoder(DilatedSettings.of(config), block),
        "SASRec": lambda: TransformerEncoder(TransformerSettings.of(config), max_length),
    }
    return builders[kind]()
