"""Run a network up to one of its layers, or from there on."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, NoReturn

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import nn


class _ReachedError(Exception):
    """End a run of a network at a layer."""


def states_entering(layer: nn.Module, run: Callable[[], object]) -> torch.Tensor:
    """Return the first tensor that enters a layer.

    Args:
        layer: The layer.
        run: Runs the network, which is stopped at the layer.

    Raises:
        ValueError: The network does not use the layer.
    """
    caught: list[torch.Tensor] = []

    def catch(layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> NoReturn:
        caught.append(args[0] if args else next(value for value in kwargs.values() if torch.is_tensor(value)))
        raise _ReachedError

    handle = layer.register_forward_pre_hook(catch, with_kwargs=True)
    try:
        run()
    except _ReachedError:
        return caught.pop()
    finally:
        handle.remove()
    raise ValueError("the network does not use the layer")


@contextlib.contextmanager
def entering(layer: nn.Module, states: torch.Tensor) -> Iterator[None]:
    """Let a layer read given states, whatever it is called with, in a ``with`` block.

    Args:
        layer: The layer.
        states: Its input; the first tensor of as many dimensions is replaced.
    """

    def feed(layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        if args:
            return (states, *args[1:]), kwargs
        name = next(name for name, value in kwargs.items() if torch.is_tensor(value) and value.dim() == states.dim())
        return args, {**kwargs, name: states}

    handle = layer.register_forward_pre_hook(feed, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()
