"""The patches in PeterRec's user encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recbole_idp.nn.adapters.patches import ModelPatch
from recbole_idp.nn.adapters.sockets import graft

if TYPE_CHECKING:
    from torch import nn

    from recbole_idp.nn.adapters.sockets import Insertion
    from recbole_idp.nn.encoder.token import TokenEncoder


def add_patches(
    encoder: TokenEncoder, width: int, insertion: Insertion, cardinality: int, std: float = 0.02
) -> list[nn.Module]:
    """Graft patches into a user encoder, and return them; see :func:`~recbole_idp.nn.adapters.sockets.graft`."""
    return graft(encoder.encoder, insertion, lambda: ModelPatch(width, cardinality, std))  # type: ignore[arg-type]
