"""The memory that a training step of a content encoder takes, estimated before the first one."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

TOGETHER = 32
"""Texts that are encoded at a time."""

_GRADIENT_AND_MOMENTS = 12
# What autograd keeps for a token and a layer of BERT, counted by saved_tensors_hooks with widths of 128 and 384 and
# texts of 16 and 64 tokens: states of the layer's width, and scores of each head; fewer where weights are frozen.
_STATES, _SCORES = 19, 3
_FROZEN_STATES, _FROZEN_SCORES = 12, 1.5


@dataclass(frozen=True)
class StepMemory:
    """The sizes that decide on the memory of a step.

    Attributes:
        texts: Texts that a step encodes.
        tokens: Tokens of a text.
        layers: Layers whose states are kept for the backward pass.
        width: Width H of a state.
        heads: Attention heads.
        parameters: Number of trained parameters.
        frozen: Whether the layers' own weights are frozen, so that fewer states are kept.
        narrow: Whether products are in bfloat16.
        recompute: Whether the states of each chunk are computed again in the backward pass.
    """

    texts: int
    tokens: float
    layers: int
    width: int
    heads: int
    parameters: int
    frozen: bool = False
    narrow: bool = False
    recompute: bool = False

    @property
    def n_bytes(self) -> int:
        """Bytes of gradients, of the optimizer's moments, and of the states that are kept."""
        texts = min(self.texts, TOGETHER) if self.recompute else self.texts
        states, scores = (_FROZEN_STATES, _FROZEN_SCORES) if self.frozen else (_STATES, _SCORES)
        values = states * self.width + scores * self.heads * self.tokens
        kept = texts * self.tokens * self.layers * values * (2 if self.narrow else 4)
        return round(_GRADIENT_AND_MOMENTS * self.parameters + kept)

    def remedy(self, limit: int) -> str:
        """Return what to give so that a step takes less, as options of the command line.

        Args:
            limit: The bytes that are available.

        Returns:
            The first option with which it suffices; several where none is enough by itself.
        """
        steps = [
            ("--gradient_checkpointing=true", dataclasses.replace(self, recompute=True)),
            ("--encoder_precision=bfloat16", dataclasses.replace(self, narrow=True)),
        ]
        for option, smaller in steps:
            if smaller.n_bytes <= limit:
                return f"give {option}, with which it is about {gigabytes(smaller.n_bytes)}"
        both = dataclasses.replace(self, recompute=True, narrow=True)
        if both.n_bytes <= limit:
            return f"give {steps[0][0]} {steps[1][0]}, with which it is about {gigabytes(both.n_bytes)}"
        return (
            "give fewer trained_layers (train_encoder: last_n), fewer text_tokens, or a smaller train_batch_size (on "
            "source domains pretrain_batch_size)"
        )


def gigabytes(n_bytes: float) -> str:
    """Return a number of bytes in GiB, as text."""
    return f"{n_bytes / (1 << 30):.2f} GiB"
