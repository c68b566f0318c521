"""The states of all random numbers that a training draws, as JSON, so that it can go on with the same ones."""

import random

import numpy as np
import torch


def random_states(generators, device):
    """Return where all random numbers stand.

    Args:
        generators (list[torch.Generator]): Those of batches, besides the ones that everybody shares.
        device (torch.device): Where the model is.

    Returns:
        dict: JSON-serialisable.
    """
    name, keys, *rest = np.random.get_state()
    states = {
        "generators": [_as_text(generator.get_state()) for generator in generators],
        "torch": _as_text(torch.get_rng_state()),
        "numpy": [name, keys.tolist(), *rest],
        "python": random.getstate(),
    }
    if device.type == "cuda":
        states["cuda"] = _as_text(torch.cuda.get_rng_state(device))
    return states


def set_random_states(states, generators, device):
    """Let all random numbers go on from where they stood.

    Args:
        states (dict): As :func:`random_states` returned it.
        generators (list[torch.Generator]): As they were given there.
        device (torch.device): Where the model is.
    """
    for generator, text in zip(generators, states["generators"], strict=True):
        generator.set_state(_as_state(text))
    torch.set_rng_state(_as_state(states["torch"]))
    np.random.set_state(states["numpy"])
    version, numbers, gauss = states["python"]
    random.setstate((version, tuple(numbers), gauss))
    if device.type == "cuda" and "cuda" in states:
        torch.cuda.set_rng_state(_as_state(states["cuda"]), device)


def _as_text(state):
    return state.numpy().tobytes().hex()


def _as_state(text):
    return torch.frombuffer(bytearray.fromhex(text), dtype=torch.uint8)
