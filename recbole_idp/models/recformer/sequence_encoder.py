"""The encoder of histories that are read as text: items -> tokens -> Longformer -> one state."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn

from recbole_idp.models.recformer.items import ItemTokens
from recbole_idp.models.recformer.longformer import Longformer, LongformerSizes

# Tokens, with padding, of the rows that are encoded together: 4 MiB of states at width 128.
_TOGETHER = 1 << 13


class TextSequenceEncoder(nn.Module):
    """items [B, L] -> flattened attributes, newest item first -> Longformer -> state of the start token [B, D].

    Args:
        sizes: Sizes of the encoder.
        eps: Added to the variance in layer normalisation.

    Attributes:
        items (ItemTokens): The tokens of all inputs.
        longformer (Longformer): The encoder of tokens.
    """

    def __init__(self, sizes: LongformerSizes, eps: float = 1e-5) -> None:
        super().__init__()
        self.items = ItemTokens(sizes.max_tokens, sizes.max_items)
        self.longformer = Longformer(sizes, eps)
        self.width = sizes.hidden_size

    def forward(self, items: torch.Tensor, width: int) -> torch.Tensor:
        """Encode histories of like length.

        Args:
            items: Inputs by time, padded with 0 on the right; int64, shape [B, L].
            width: Tokens of a row, of which more are cut.

        Returns:
            Shape [B, D].
        """
        return self.longformer.first(self.items(items, width))

    def encode(self, items: torch.Tensor) -> torch.Tensor:
        """Encode histories of any length, those of like length together; arguments as in :meth:`forward`."""
        lengths = self.items.lengths(items)
        packs = list(packs_of_like_length(lengths))
        states = [self(items[rows], int(lengths[rows[0]])) for rows in packs]
        return torch.cat(states)[torch.argsort(torch.cat(packs))]

    def encode_items(self, rows: torch.Tensor) -> torch.Tensor:
        """Encode inputs, each as a sequence of its own.

        Args:
            rows: Their numbers; int64, shape [R].

        Returns:
            Shape [R, D].
        """
        return self.encode(rows.unsqueeze(1))


def packs_of_like_length(lengths: torch.Tensor) -> Iterator[torch.Tensor]:
    """Split rows into packs, the longest rows first.

    Args:
        lengths: Tokens of each row, at least one; int64, shape [B].

    Yields:
        Rows of a pack, the longest first; int64.
    """
    order = torch.argsort(lengths, descending=True, stable=True)
    while len(order):
        size = max(1, _TOGETHER // int(lengths[order[0]]))
        yield order[:size]
        order = order[size:]
