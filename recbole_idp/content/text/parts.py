"""The parts of a sentence encoder after its transformer, with the parameters that are known, and no others.

A name in a file chooses from a table here; nothing is imported by a name that a file gives.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from recbole_idp.content.text.layout import CONFIG, WEIGHTS, WITH_WEIGHTS, PartError, json_object
from recbole_idp.storage.tensors import read_tensors

POOLING_MODES = ("cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken")
"""In the order in which several are joined."""

_WIDEST = 1 << 16
_OLD_MODES = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
_ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "torch.nn.modules.linear.Identity": nn.Identity,
    "torch.nn.modules.activation.GELU": nn.GELU,
    "torch.nn.modules.activation.ReLU": nn.ReLU,
    "torch.nn.modules.activation.Sigmoid": nn.Sigmoid,
    "torch.nn.modules.activation.SiLU": nn.SiLU,
    "torch.nn.modules.activation.Tanh": nn.Tanh,
}


class Pooling(nn.Module):
    """Join the states of a text's tokens to one vector; several modes give their vectors side by side.

    Args:
        modes: Some of :data:`POOLING_MODES`.
    """

    def __init__(self, modes: Sequence[str]) -> None:
        super().__init__()
        self.pooling_mode = modes[0] if len(modes) == 1 else tuple(modes)
        self.modes = tuple(modes)

    def config(self) -> dict[str, Any]:
        """Return what :func:`build_part` makes it of."""
        return {key: mode in self.modes for key, mode in _OLD_MODES.items()}

    def forward(self, features: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Add ``sentence_embedding`` [B, D] to ``token_embeddings`` [B, L, D] and ``attention_mask`` [B, L]."""
        states, mask = features["token_embeddings"], features["attention_mask"]
        pooled = [_POOLINGS[mode](states, mask) for mode in self.modes]
        return {**features, "sentence_embedding": torch.cat(pooled, dim=-1)}


class Normalize(nn.Module):
    """Bring vectors to unit length."""

    def config(self) -> dict[str, Any]:
        """Return what :func:`build_part` makes it of."""
        return {}

    def forward(self, features: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Replace ``sentence_embedding`` [B, D]."""
        vectors = nn.functional.normalize(features["sentence_embedding"], p=2, dim=-1)
        return {**features, "sentence_embedding": vectors}


class Dense(nn.Module):
    """Project vectors, and apply an activation function.

    Args:
        in_features: Width of the vectors.
        out_features: Width of the projected vectors.
        bias: Whether a bias is added.
        activation: Name of the activation function, one of torch's.
    """

    def __init__(self, in_features: int, out_features: int, bias: bool, activation: str) -> None:
        super().__init__()
        self.linear = nn.Linear(in_features, out_features, bias=bias)
        self.activation_function = _ACTIVATIONS[activation]()
        self._activation = activation

    def config(self) -> dict[str, Any]:
        """Return what :func:`build_part` makes it of."""
        return {
            "in_features": self.linear.in_features,
            "out_features": self.linear.out_features,
            "bias": self.linear.bias is not None,
            "activation_function": self._activation,
        }

    def forward(self, features: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Replace ``sentence_embedding`` [B, D]."""
        vectors = self.activation_function(self.linear(features["sentence_embedding"]))
        return {**features, "sentence_embedding": vectors}


class LayerNorm(nn.Module):
    """Normalise vectors by their mean and variance.

    Args:
        dimension: Width of the vectors.
    """

    def __init__(self, dimension: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dimension)

    def config(self) -> dict[str, Any]:
        """Return what :func:`build_part` makes it of."""
        return {"dimension": self.norm.normalized_shape[0]}

    def forward(self, features: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Replace ``sentence_embedding`` [B, D]."""
        return {**features, "sentence_embedding": self.norm(features["sentence_embedding"])}


class Dropout(nn.Module):
    """Drop values of vectors in training.

    Args:
        dropout: The share that is dropped.
    """

    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.dropout_layer = nn.Dropout(dropout)

    def config(self) -> dict[str, Any]:
        """Return what :func:`build_part` makes it of."""
        return {"dropout": self.dropout_layer.p}

    def forward(self, features: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Replace ``sentence_embedding`` [B, D]."""
        return {**features, "sentence_embedding": self.dropout_layer(features["sentence_embedding"])}


def build_part(name: str, folder: Path) -> nn.Module:
    """Build a part from its configuration and weights.

    Args:
        name: Its name; any but that of the transformer.
        folder: Its folder.

    Returns:
        The part.

    Raises:
        PartError: A parameter is not known, or the weights do not fit.
    """
    config = json_object(folder / CONFIG)
    part = _BUILDERS[name](config)
    if name in WITH_WEIGHTS:
        try:
            # The part has no memory of its own yet: it takes the weights if they have its sizes.
            weights = {key: value.float() for key, value in read_tensors(folder / WEIGHTS).items()}
            part.load_state_dict(weights, assign=True)
        except (ValueError, RuntimeError) as error:
            raise PartError(f"the weights of {name} do not fit ({' '.join(str(error).split())[:160]})") from error
    return part


def _checked(name: str, config: Mapping[str, Any], known: Mapping[str, Callable[[Any], bool]]) -> None:
    """Check the parameters of a part: each is known and has a value that is."""
    for key, value in config.items():
        if key not in known or not known[key](value):
            raise PartError(f"{name} has {str(key)[:40]}={str(value)[:40]!r}, which is not known")


def _is_size(value: Any) -> bool:
    return type(value) is int and 1 <= value <= _WIDEST


def _is_flag(value: Any) -> bool:
    return type(value) is bool


def _is_vector(value: Any) -> bool:
    return value in (None, "sentence_embedding")


def _is_false(value: Any) -> bool:
    return value is False


_VECTORS = {"module_input_name": _is_vector, "module_output_name": _is_vector}


def _pooling(config: Mapping[str, Any]) -> nn.Module:
    """Build a pooling from the configuration of any version of sentence-transformers."""
    given = config.get("pooling_mode")
    modes = [given] if isinstance(given, str) else given
    if given is None:
        modes = [mode for key, mode in _OLD_MODES.items() if config.get(key) is True] or ["mean"]
    if not isinstance(modes, list) or not modes or len(modes) > len(POOLING_MODES) or not set(modes) <= _known_modes():
        raise PartError(f"Pooling has pooling_mode={str(given)[:40]!r}, which is not known")
    flags = dict.fromkeys(_OLD_MODES, _is_flag)
    sizes = {"word_embedding_dimension": _is_size, "embedding_dimension": _is_size}
    _checked("Pooling", config, {**flags, **sizes, "pooling_mode": bool, "include_prompt": lambda value: value is True})
    return Pooling(modes)


def _known_modes() -> set[str]:
    return set(POOLING_MODES)


def _normalize(config: Mapping[str, Any]) -> nn.Module:
    _checked("Normalize", config, _VECTORS)
    return Normalize()


def _dense(config: Mapping[str, Any]) -> nn.Module:
    known = {
        "in_features": _is_size,
        "out_features": _is_size,
        "bias": _is_flag,
        "activation_function": lambda value: isinstance(value, str) and value in _ACTIVATIONS,
        "use_residual": _is_false,
    }
    _checked("Dense", config, {**known, **_VECTORS})
    if missing := {"in_features", "out_features"} - set(config):
        raise PartError(f"Dense has no {min(missing)}")
    activation = config.get("activation_function", "torch.nn.modules.activation.Tanh")
    with torch.device("meta"):
        return Dense(config["in_features"], config["out_features"], config.get("bias", True), activation)


def _layer_norm(config: Mapping[str, Any]) -> nn.Module:
    _checked("LayerNorm", config, {"dimension": _is_size})
    if "dimension" not in config:
        raise PartError("LayerNorm has no dimension")
    with torch.device("meta"):
        return LayerNorm(config["dimension"])


def _dropout(config: Mapping[str, Any]) -> nn.Module:
    _checked("Dropout", config, {"dropout": lambda value: type(value) in (int, float) and 0 <= value < 1})
    return Dropout(config.get("dropout", 0.2))


_BUILDERS: dict[str, Callable[[Mapping[str, Any]], nn.Module]] = {
    "Pooling": _pooling,
    "Normalize": _normalize,
    "Dense": _dense,
    "LayerNorm": _layer_norm,
    "Dropout": _dropout,
}


def _first(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    return states[torch.arange(len(states), device=states.device), mask.int().argmax(1)]


def _last(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    last = mask.shape[1] - 1 - mask.flip(1).int().argmax(1)
    return states[torch.arange(len(states), device=states.device), last]


def _max(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    return states.masked_fill(mask.unsqueeze(-1) == 0, float("-inf")).max(dim=1).values


def _weighted_sum(states: torch.Tensor, weights: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the sum of states [B, L, D] by weights [B, L], and the sum of the weights, [B, 1]."""
    weights = weights.unsqueeze(-1).to(states.dtype)
    return (states * weights).sum(1), weights.sum(1).clamp(min=1e-9)


def _mean(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    total, count = _weighted_sum(states, mask)
    return total / count


def _mean_root(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    total, count = _weighted_sum(states, mask)
    return total / count.sqrt()


def _weighted_mean(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    total, count = _weighted_sum(states, mask * torch.arange(1, mask.shape[1] + 1, device=mask.device))
    return total / count


_POOLINGS: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "cls": _first,
    "max": _max,
    "mean": _mean,
    "mean_sqrt_len_tokens": _mean_root,
    "weightedmean": _weighted_mean,
    "lasttoken": _last,
}
