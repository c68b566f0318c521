"""T5's decoder, a piece at a time, for many beginnings of answers to one prompt at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from recbole_idp.models.p5.network import P5Network


@dataclass(frozen=True)
class Beginnings:
    """What the decoder keeps of beginnings of answers. B prompts, M beginnings of each, t pieces, H heads, K key width.

    Attributes:
        keys: For each layer the keys of the pieces so far; shape [B, M, t, H, K].
        values: The same for the values.
    """

    keys: tuple[torch.Tensor, ...]
    values: tuple[torch.Tensor, ...]


class SteppingDecoder:
    """The decoder of a network after given prompts.

    Beginnings of one prompt share its encoded states: they are queries of one attention, so that nothing of the prompt
    is copied for each. The result is that of T5's own decoder, without dropout.

    Args:
        network: The network.
        states: States of the prompts; shape [B, L, D].
        is_padding: Which pieces of the prompts are padding; bool, shape [B, L].
    """

    def __init__(self, network: P5Network, states: torch.Tensor, is_padding: torch.Tensor) -> None:
        blocks: Any = network.t5.decoder.block
        self.network, self.blocks = network, blocks
        self._heads = (network.sizes.heads, network.sizes.key)
        crosses = [block.layer[1].EncDecAttention for block in blocks]
        self._prompt_keys = [cross.k(states).unflatten(-1, self._heads).permute(0, 2, 3, 1) for cross in crosses]
        self._prompt_values = [cross.v(states).unflatten(-1, self._heads).transpose(1, 2) for cross in crosses]
        self._hidden = is_padding[:, None, None, :]
        self._biases: dict[int, torch.Tensor] = {}

    def advance(
        self, pieces: torch.Tensor, parents: torch.Tensor, before: Beginnings | None
    ) -> tuple[torch.Tensor, Beginnings]:
        """Read one piece more.

        Args:
            pieces: The next piece of each new beginning; int64, shape [B, M].
            parents: Number of the beginning that it goes on from; int64, shape [B, M]. Not read at the first piece.
            before: What was kept of these; None: the pieces are first ones.

        Returns:
            The logarithm of the probability of each piece to follow, shape [B, M, V]; and what is kept.
        """
        hidden = self.network.t5.shared(pieces)
        bias = self._bias(1 if before is None else before.keys[0].shape[2] + 1)
        keys, values = [], []
        for number, block in enumerate(self.blocks):
            past = None if before is None else (before.keys[number], before.values[number])
            added, key, value = self._attend_own(block.layer[0], hidden, parents, past, bias)
            keys.append(key)
            values.append(value)
            hidden = hidden + added
            hidden = hidden + self._attend_prompt(block.layer[1], hidden, number)
            hidden = block.layer[2](hidden)
        logits = self.network.output(self.network.t5.decoder.final_layer_norm(hidden))
        return logits.log_softmax(-1), Beginnings(tuple(keys), tuple(values))

    def _attend_own(
        self,
        layer: Any,
        hidden: torch.Tensor,
        parents: torch.Tensor,
        past: tuple[torch.Tensor, torch.Tensor] | None,
        bias: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Attend to the pieces before and the new one; return what is added to the states, keys and values."""
        attention, normed = layer.SelfAttention, layer.layer_norm(hidden)
        query, key, value = (
            part(normed).unflatten(-1, self._heads) for part in (attention.q, attention.k, attention.v)
        )
        key, value = key.unsqueeze(2), value.unsqueeze(2)
        if past is not None:
            row = torch.arange(len(parents), device=parents.device).unsqueeze(1)
            key, value = (torch.cat([old[row, parents], new], 2) for old, new in zip(past, (key, value), strict=True))
        weights = (torch.einsum("bmhk,bmthk->bmht", query, key) + bias).softmax(-1)
        return attention.o(torch.einsum("bmht,bmthk->bmhk", weights, value).flatten(-2)), key, value

    def _attend_prompt(self, layer: Any, hidden: torch.Tensor, number: int) -> torch.Tensor:
        """Attend to the prompt; return what is added to the states."""
        attention = layer.EncDecAttention
        query = attention.q(layer.layer_norm(hidden)).unflatten(-1, self._heads).transpose(1, 2)
        scores = (query @ self._prompt_keys[number]).masked_fill(self._hidden, -torch.inf)
        return attention.o((scores.softmax(-1) @ self._prompt_values[number]).transpose(1, 2).flatten(-2))

    def _bias(self, length: int) -> torch.Tensor:
        """Return the bias of the last piece's attention to so many pieces, by its relative position; shape [H, t]."""
        if length not in self._biases:
            attention = self.blocks[0].layer[0].SelfAttention
            self._biases[length] = attention.compute_bias(length, length)[0, :, -1]
        return self._biases[length]
