"""The memory that a training step of a content encoder takes, estimated before the first one."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

TOGETHER = 32
"""Texts that are encoded at a time."""

FEWER_TEXTS = (
    "give fewer trained_layers (train_encoder: last_n), fewer text_tokens, or a smaller train_batch_size (on source "
    "domains pretrain_batch_size)"
)
"""What else takes less memory where the contents are texts."""
FEWER_PICTURES = (
    "give fewer trained_layers (train_encoder: last_n), or a smaller train_batch_size (on source domains "
    "pretrain_batch_size)"
)
"""The same for pictures."""

_GRADIENT_AND_MOMENTS = 12
# What autograd keeps for a token and a layer of BERT, counted by kept_bytes with widths of 128 and 384 and texts of 16
# and 64 tokens: states of the layer's width, and scores of each head; fewer where weights are frozen.
_STATES, _SCORES = 19, 3
_FROZEN_STATES, _FROZEN_SCORES = 12, 1.5


@dataclass(frozen=True)
class StepMemory:
    """What decides on the memory of a step.

    Attributes:
        contents: Contents that a step encodes.
        each: Bytes of states that autograd keeps of one content.
        parameters: Number of trained parameters.
        together: Contents that are encoded at a time.
        otherwise: What to give where neither narrow products nor computing again suffice.
        narrow: Whether products are in bfloat16.
        recompute: Whether the states of each chunk are computed again in the backward pass.
    """

    contents: int
    each: float
    parameters: int
    together: int = TOGETHER
    otherwise: str = FEWER_TEXTS
    narrow: bool = False
    recompute: bool = False

    @property
    def n_bytes(self) -> int:
        """Bytes of gradients, of the optimizer's moments, and of the states that are kept."""
        contents = min(self.contents, self.together) if self.recompute else self.contents
        return round(_GRADIENT_AND_MOMENTS * self.parameters + contents * self.each)

    def recomputed(self) -> StepMemory:
        """Return the same with ``gradient_checkpointing``."""
        return dataclasses.replace(self, recompute=True)

    def narrowed(self) -> StepMemory:
        """Return the same with products in bfloat16, of half the size."""
        return self if self.narrow else dataclasses.replace(self, each=self.each / 2, narrow=True)

    def remedy(self, limit: int) -> str:
        """Return what to give so that a step takes less, as options of the command line.

        Args:
            limit: The bytes that are available.

        Returns:
            The first option with which it suffices; several where none is enough by itself.
        """
        steps = [
            ("--gradient_checkpointing=true", self.recomputed()),
            ("--encoder_precision=bfloat16", self.narrowed()),
            ("--gradient_checkpointing=true --encoder_precision=bfloat16", self.recomputed().narrowed()),
        ]
        for option, smaller in steps:
            if smaller.n_bytes <= limit:
                return f"give {option}, with which it is about {gigabytes(smaller.n_bytes)}"
        return self.otherwise


def text_bytes(tokens: float, layers: int, width: int, heads: int, frozen: bool = False, narrow: bool = False) -> float:
    """Return the bytes that autograd keeps of one text in an encoder like BERT.

    Args:
        tokens: Tokens of the text.
        layers: Layers whose states are kept for the backward pass.
        width: Width H of a state.
        heads: Attention heads.
        frozen: Whether the layers' own weights are frozen, so that fewer states are kept.
        narrow: Whether products are in bfloat16.
    """
    states, scores = (_FROZEN_STATES, _FROZEN_SCORES) if frozen else (_STATES, _SCORES)
    return tokens * layers * (states * width + scores * heads * tokens) * (2 if narrow else 4)


def kept_bytes(run: Callable[[], torch.Tensor], network: nn.Module) -> int:
    """Count the bytes that autograd keeps of a computation, without the weights.

    Args:
        run: The computation.
        network: Has the weights.
    """
    weights = {parameter.untyped_storage().data_ptr() for parameter in network.parameters()}
    kept: dict[int, tuple[int, torch.Tensor]] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            # The tensor is held, so that its place is not given to another one.
            kept[storage.data_ptr()] = (storage.nbytes(), tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor), torch.enable_grad():
        run()
    return sum(size for size, _ in kept.values())


def gigabytes(n_bytes: float) -> str:
    """Return a number of bytes in GiB, as text."""
    return f"{n_bytes / (1 << 30):.2f} GiB"
