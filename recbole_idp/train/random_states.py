"""Save and restore the states of all random number generators of a training, as JSON."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch


def random_states(generators: list[torch.Generator], device: torch.device) -> dict[str, Any]:
    """Return the states of all random number generators.

    Args:
        generators: Generators of the batches, besides the global ones.
        device: Device of the model.

    Returns:
        JSON-serialisable states.
    """
    state: Any = np.random.get_state()
    name, keys, *rest = state
    states = {
        "generators": [_as_text(generator.get_state()) for generator in generators],
        "torch": _as_text(torch.get_rng_state()),
        "numpy": [name, keys.tolist(), *rest],
        "python": random.getstate(),
    }
    if device.type == "cuda":
        states["cuda"] = _as_text(torch.cuda.get_rng_state(device))
    return states


def set_random_states(states: dict[str, Any], generators: list[torch.Generator], device: torch.device) -> None:
    """Restore the states of all random number generators.

    Args:
        states: Result of :func:`random_states`.
        generators: The same generators as there.
        device: Device of the model.
    """
    for generator, text in zip(generators, states["generators"], strict=True):
        generator.set_state(_as_state(text))
    torch.set_rng_state(_as_state(states["torch"]))
    np.random.set_state(states["numpy"])
    version, numbers, gauss = states["python"]
    random.setstate((version, tuple(numbers), gauss))
    if device.type == "cuda" and "cuda" in states:
        torch.cuda.set_rng_state(_as_state(states["cuda"]), device)


def _as_text(state: torch.Tensor) -> str:
    """Return the state of a generator as hexadecimal digits."""
    return state.numpy().tobytes().hex()


def _as_state(text: str) -> torch.Tensor:
    """Return the state of a generator from its digits; uint8."""
    return torch.frombuffer(bytearray.fromhex(text), dtype=torch.uint8)
