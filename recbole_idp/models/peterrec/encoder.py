"""The user encoder of PeterRec, with and without patches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recbole_idp.nn.adapters.patches import ModelPatch
from recbole_idp.nn.adapters.sockets import graft
from recbole_idp.nn.encoder.causal import causal_encoder
from recbole_idp.nn.encoder.dilated import PostActivationBlock
from recbole_idp.nn.encoder.token import TokenEncoder

if TYPE_CHECKING:
    from torch import nn

    from recbole_idp.nn.adapters.sockets import Insertion


def bare_encoder(kind: str, config: Any) -> nn.Module:
    """Build the encoder that is pre-trained; arguments as of :func:`user_encoder`."""
    return causal_encoder(kind, config, config["MAX_ITEM_LIST_LENGTH"] + 1, PostActivationBlock)


def user_encoder(kind: str, config: Any, std: float = 0.02) -> TokenEncoder:
    """Build the encoder that reads a user at [TCL].

    Args:
        kind: ``NextItNet`` or ``SASRec``.
        config: A configuration with the keys of its sizes.
        std: Standard deviation of the initial vector of [TCL].

    Returns:
        With random weights.
    """
    return TokenEncoder(bare_encoder(kind, config), config["hidden_size"], std)


def add_patches(
    encoder: TokenEncoder, width: int, insertion: Insertion, cardinality: int, std: float = 0.02
) -> list[nn.Module]:
    """Graft patches into a user encoder, and return them; see :func:`~recbole_idp.nn.adapters.sockets.graft`."""
    return graft(encoder.encoder, insertion, lambda: ModelPatch(width, cardinality, std))  # type: ignore[arg-type]
