"""Sockets: the places in an encoder's blocks where an adapter can be grafted.

    sublayer's input -> sublayer -> its output -> socket -> what the block goes on with

An empty socket returns the output. It has no weights, so that an encoder's weights have the same names with and without
adapters, and what was pre-trained without them can be loaded after they were grafted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import ClassVar, Literal, Protocol

import torch
from torch import nn

Insertion = Literal["serial", "serial_one", "parallel", "parallel_reference"]
"""Where adapters are inserted; see :func:`graft`."""

ADAPTER = ".adapter."
"""Part of the name of each weight of an adapter in its encoder."""


def is_adapter(name: str) -> bool:
    """Return whether a weight is that of an adapter, by its name."""
    return ADAPTER.strip(".") in name.split(".")


class Socket(nn.Module):
    """An empty socket."""

    def forward(self, output: torch.Tensor, sublayer_input: torch.Tensor) -> torch.Tensor:
        """Return what the block goes on with.

        Args:
            output: What the sublayer returned; shape [..., D].
            sublayer_input: What the sublayer was given; shape [..., D].

        Returns:
            Shape [..., D].
        """
        return output


class Grafted(Socket):
    """A socket that holds an adapter.

    Args:
        adapter: Maps vectors [..., D] to changes [..., D], without adding them to the vectors.
    """

    def __init__(self, adapter: nn.Module) -> None:
        super().__init__()
        self.adapter = adapter


class Serial(Grafted):
    """The adapter reads the sublayer's output v: v + A(v)."""

    def forward(self, output: torch.Tensor, sublayer_input: torch.Tensor) -> torch.Tensor:
        """Return the changed output; shapes as in :class:`Socket`."""
        return output + self.adapter(output)


class Parallel(Grafted):
    """The adapter reads the sublayer's input x: v + A(x)."""

    def forward(self, output: torch.Tensor, sublayer_input: torch.Tensor) -> torch.Tensor:
        """Return the changed output; shapes as in :class:`Socket`."""
        return output + self.adapter(sublayer_input)


class ParallelReference(Grafted):
    """PeterRec's code: the adapter has a skip of its own, so that the input is added once more: v + x + A(x).

    The encoder then starts elsewhere than where its pre-training ended.
    """

    def forward(self, output: torch.Tensor, sublayer_input: torch.Tensor) -> torch.Tensor:
        """Return the changed output; shapes as in :class:`Socket`."""
        return output + sublayer_input + self.adapter(sublayer_input)


class Replacing(Grafted):
    """Adapter4Rec's code with Compacter: the adapter takes the place of the sublayer's output: A(v).

    What the pre-trained sublayer says is then read by the adapter alone.
    """

    def forward(self, output: torch.Tensor, given: torch.Tensor) -> torch.Tensor:
        """Return the changed output; shapes as in :class:`Socket`."""
        return self.adapter(output)


class Chain(nn.Module):
    """The blocks of an encoder, one after the other: an empty socket beside all of them."""

    def forward(self, blocks: nn.ModuleList, states: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """Run the blocks.

        Args:
            blocks: The blocks, which map states and mask to states.
            states: Input of the first; shape [B, L, D].
            mask: As the blocks take it.

        Returns:
            Output of the last; shape [B, L, D].
        """
        for block in blocks:
            states = block(states, mask)
        return states


class GraftedBlock(Protocol):
    """A block of an encoder, as :func:`graft` needs it."""

    sockets: ClassVar[tuple[str, ...]]
    """Names of its attributes that are sockets, in the order of its sublayers."""

    @property
    def second_norm(self) -> nn.LayerNorm:
        """The norm of its last sublayer."""


class GraftedEncoder(Protocol):
    """An encoder, as :func:`graft` needs it."""

    blocks: nn.ModuleList


INSERTIONS: dict[str, tuple[type[Grafted], slice]] = {
    "serial": (Serial, slice(None)),
    "serial_one": (Serial, slice(-1, None)),
    "parallel": (Parallel, slice(None)),
    "parallel_reference": (ParallelReference, slice(None)),
}
"""The kind of the sockets, and which of a block's they are, by the insertion."""


def graft(encoder: GraftedEncoder, insertion: Insertion, make: Callable[[], nn.Module]) -> list[nn.Module]:
    """Graft adapters into all blocks of an encoder (PeterRec, section 3.3).

    Args:
        encoder: The encoder. What its sockets held before is replaced.
        insertion: ``serial``: behind both sublayers of a block; ``serial_one``: behind the second; ``parallel``: beside
            both, without a skip of the adapter's own; ``parallel_reference``: beside both, with it.
        make: Makes an adapter, which maps [..., D] to [..., D] and has no skip.

    Returns:
        The adapters, in the order of the encoder.
    """
    return fill_sockets(encoder, *INSERTIONS[insertion], make)


def fill_sockets(
    encoder: GraftedEncoder, kind: type[Grafted], where: slice, make: Callable[[], nn.Module]
) -> list[nn.Module]:
    """Put adapters into sockets of all blocks of an encoder.

    Args:
        encoder: The encoder. What its sockets held before is replaced.
        kind: Kind of the sockets.
        where: Which of a block's sockets they are.
        make: Makes an adapter; see :func:`graft`.

    Returns:
        The adapters, in the order of the encoder.
    """
    adapters = []
    for block in encoder.blocks:
        for name in block.sockets[where]:  # type: ignore[index]  # blocks are GraftedBlock
            adapters.append(make())
            setattr(block, name, kind(adapters[-1]))
    return adapters


def second_norms(encoder: GraftedEncoder) -> list[nn.Module]:
    """Return the norm of each block's last sublayer, which PeterRec trains together with its adapters."""
    return [block.second_norm for block in encoder.blocks]  # type: ignore[misc]  # blocks are GraftedBlock


def train_only(model: nn.Module, parts: Iterable[nn.Module | nn.Parameter]) -> None:
    """Freeze a model but for some parts.

    Args:
        model: The model.
        parts: Modules and parameters of it that are trained.
    """
    model.requires_grad_(False)
    for part in parts:
        part.requires_grad_(True)


def trained_share(model: nn.Module) -> float:
    """Return the share of a model's parameters that are trained, from 0 to 1."""
    sizes = [(parameter.numel(), parameter.requires_grad) for parameter in model.parameters()]
    return sum(size for size, trained in sizes if trained) / max(1, sum(size for size, _ in sizes))
