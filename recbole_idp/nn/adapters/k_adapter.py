"""K-adapter: a chain of small Transformers beside an encoder's blocks (arXiv 2002.01808, arXiv 2305.15036)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from recbole_idp.nn.adapters.sockets import Chain
from recbole_idp.nn.encoder.bias_free import bias_free_block
from recbole_idp.nn.encoder.keys import TransformerSettings

_STD = 2e-4
_BLOCKS = 2


class KAdapter(nn.Module):
    """v + U(blocks(D v)): two blocks without biases on a small width.

    Args:
        width: Width D of the vectors.
        inner: Width of the small blocks.
        n_heads: Their heads.
        causal: Whether a position attends to itself and earlier ones only.
    """

    def __init__(self, width: int, inner: int, n_heads: int, causal: bool) -> None:
        super().__init__()
        self.down, self.up = nn.Linear(width, inner), nn.Linear(inner, width)
        for layer in (self.down, self.up):
            nn.init.normal_(layer.weight, std=_STD)
            nn.init.zeros_(layer.bias)
        sizes = TransformerSettings(hidden_size=inner, n_heads=n_heads, hidden_dropout_prob=0.0, attn_dropout_prob=0.0)
        self.blocks = nn.ModuleList(bias_free_block(sizes, causal) for _ in range(_BLOCKS))

    def forward(self, vectors: torch.Tensor, padding: torch.Tensor | None = None) -> torch.Tensor:
        """Return the changed vectors.

        Args:
            vectors: Shape [B, L, D].
            padding: True at padded positions, bool, shape [B, L]; None: none is attended to.

        Returns:
            Shape [B, L, D].
        """
        states = self.down(vectors)
        for block in self.blocks:
            states = block(states, padding)
        return vectors + self.up(states)


class KAdapters(nn.Module):
    """Adapters, each of which reads a state of the encoder plus what the one before gave.

    k_i = KA_i(o_i + k_{i-1}); result = dense layer over [last state of the encoder; last k]

    Args:
        width: Width D of the states.
        inner: Width of the small blocks.
        count: Number of adapters.
        n_heads: Heads of the small blocks.
        causal: Whether they are causal. The authors' code has them look at the future and at padding, which shows the
            target to the loss at every position; False without padding is that.
    """

    def __init__(self, width: int, inner: int, count: int, n_heads: int = 2, causal: bool = True) -> None:
        super().__init__()
        self.adapters = nn.ModuleList(KAdapter(width, inner, n_heads, causal) for _ in range(count))
        self.joint = nn.Linear(2 * width, width)

    def forward(
        self, states: Sequence[torch.Tensor], last: torch.Tensor, padding: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return the result; all of shape [B, L, D], padding as of :class:`KAdapter`."""
        found = torch.zeros_like(last)
        for adapter, state in zip(self.adapters, states, strict=True):
            found = adapter(state + found, padding)
        return self.joint(torch.cat([last, found], -1))


class KAdapterChain(Chain):
    """A causal encoder's blocks with an adapter for the input of each.

    Args:
        adapter: One adapter for each block.
    """

    def __init__(self, adapter: KAdapters) -> None:
        super().__init__()
        self.adapter = adapter

    def forward(self, blocks: nn.ModuleList, states: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """Run the blocks and the adapters; see :class:`Chain`."""
        inputs = []
        for block in blocks:
            inputs.append(states)
            states = block(states, mask)
        return self.adapter(inputs, states)
