"""Weights that are trained before and taken over by another model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recbole_idp.errors import UserError
from recbole_idp.nn.encoder.causal import SIZES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import torch
    from torch import nn


TRANSFORMER_KEYS = SIZES["SASRec"]
"""Keys that must be equal before and after the transfer for the weights of a Transformer to fit."""

ENCODER_KEYS = (*TRANSFORMER_KEYS, "encoder")
"""The same for an encoder that the key ``encoder`` names; further keys of its kind are seen by its weights."""


def weights_of(model: nn.Module, *parts: str) -> dict[str, torch.Tensor]:
    """Return the weights of some parts of a model, by their names in the model."""
    prefixes = tuple(f"{part}." for part in parts)
    return {name: value for name, value in model.state_dict().items() if name.startswith(prefixes) or name in parts}


def check_sizes(own: Mapping[str, Any], pretrained: Mapping[str, Any], what: str) -> None:
    """Check that something pre-trained has the sizes of the model that takes it over.

    Args:
        own: The model's keys of sizes, and their values.
        pretrained: Those of the pre-training; it may hold other keys as well.
        what: What was pre-trained, as the message calls it.

    Raises:
        UserError: A size differs; the message names the key.
    """
    for key, value in own.items():
        if pretrained.get(key) != value:
            raise UserError(
                f"{what} was pre-trained with {key}={pretrained.get(key)}, this run has {value}: give "
                f"--{key}={pretrained.get(key)}, or pre-train with the other value"
            )


def take_over(
    module: nn.Module,
    weights: Mapping[str, torch.Tensor],
    parts: Sequence[str],
    keys: Sequence[str],
    what: str,
    without: str | None = None,
) -> None:
    """Load pre-trained weights into the same parts of another model.

    Args:
        module: The model, whose other weights stay as they are.
        weights: The weights, by their names in the model.
        parts: Names of the parts.
        keys: Keys that must be equal in both trainings for the weights to fit.
        what: What was pre-trained, as the message calls it.
        without: Weights with this in their names are the model's own, and stay as they are; None: there are none.

    Raises:
        UserError: The weights are of other names or sizes than the model's.
    """
    own = {name: value.shape for name, value in weights_of(module, *parts).items()}
    own = {name: shape for name, shape in own.items() if without is None or without not in name}
    given = {name: value.shape for name, value in weights.items()}
    if own != given:
        names = sorted(own.keys() | given.keys())
        name = next(name for name in names if own.get(name) != given.get(name))
        raise UserError(
            f"{what} does not fit this model: {', '.join(keys)} must be as in pre-training ({name} has "
            f"{_shape(given.get(name))}, here {_shape(own.get(name))}); where they are, pre-train again"
        )
    module.load_state_dict(weights, strict=False)


def _shape(shape: Sequence[int] | None) -> str:
    """Return a shape in words."""
    return "no value" if shape is None else f"shape {list(shape)}"
