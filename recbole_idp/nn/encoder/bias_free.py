"""The Transformer of MoRec, TCF and Adapter4Rec: SASRec's blocks without biases in attention."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from torch import nn

from recbole_idp.nn.encoder.latest import LatestPositionEncoder
from recbole_idp.nn.encoder.transformer import Block

if TYPE_CHECKING:
    from recbole_idp.nn.encoder.keys import TransformerSettings

_LAYER_NORM_EPS = 1e-6


class BiasFreeEncoder(LatestPositionEncoder):
    """SASRec as MoRec (arXiv 2303.13835), TCF (arXiv 2305.11700) and Adapter4Rec (arXiv 2305.15036) have it.

    What differs from :class:`LatestPositionEncoder`: attention has no biases, the feed-forward layers are four times as
    wide as the states and have ReLU, 1e-6 is added to variances, and first weights are Glorot's normal ones.

    Args:
        settings: Width, layers, heads and dropout; its other values are not read.
        max_length: Maximum number of events in a sequence.
    """

    def __init__(self, settings: TransformerSettings, max_length: int) -> None:
        super().__init__(bias_free_sizes(settings), max_length)
        for block in self._blocks():
            without_biases(block, settings.hidden_size)

    def _blocks(self) -> list[Block]:
        return [cast("Block", block) for block in self.blocks]

    def draw_weights(self) -> None:
        """Draw the first weights, as the papers' code does."""
        nn.init.xavier_normal_(self.position_embedding.weight)
        for block in self._blocks():
            draw_block(block)


def bias_free_sizes(settings: TransformerSettings) -> TransformerSettings:
    """Return the settings of these blocks: width, layers, heads and dropout as given, the rest as in the papers."""
    own = {"inner_size": 4 * settings.hidden_size, "hidden_act": "relu", "layer_norm_eps": _LAYER_NORM_EPS}
    return settings.model_copy(update=own)


def bias_free_block(settings: TransformerSettings, causal: bool) -> Block:
    """Build one of these blocks, with its first weights.

    Args:
        settings: Width, heads and dropout.
        causal: Whether a position attends to itself and earlier ones only.
    """
    block = Block(bias_free_sizes(settings), causal)
    without_biases(block, settings.hidden_size)
    draw_block(block)
    return block


def without_biases(block: Block, width: int) -> None:
    """Give the attention of a block matrices without biases."""
    block.attention.query_key_value = nn.Linear(width, 3 * width, bias=False)
    block.attention.dense = nn.Linear(width, width, bias=False)


def draw_block(block: Block) -> None:
    """Draw the first weights of a block, as the papers' code does."""
    # Three matrices side by side are drawn as such, not as one.
    for part in block.attention.query_key_value.weight.chunk(3):
        nn.init.xavier_normal_(part)
    for layer in (block.attention.dense, block.inner, block.outer):
        nn.init.xavier_normal_(layer.weight)
    for layer in (block.inner, block.outer):
        nn.init.zeros_(layer.bias)
