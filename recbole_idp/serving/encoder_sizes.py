"""Sizes of the user encoders of trained models: what a folder says of them, and what its weights say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from recbole_idp.nn.adapters.sockets import INSERTIONS
from recbole_idp.storage.schema import Nullable, check_schema

BLOCKS = ("n_layers", "n_heads", "inner_size", "hidden_act", "layer_norm_eps")
_CONVOLUTIONS = ("kernel_size", "dilations", "block_num")
_PATCHES = ("insertion", "cardinality")
ADAPTERS = ("adapter", "adapter_form", "user_adapter_size", "lora_rank")
RECENCY = ("recent_events", "recent_decay")
TEXT = ("attention_window", "max_tokens", "vocabulary")
_EVERY = ("hidden_size", "MAX_ITEM_LIST_LENGTH")
CAUSAL = {
    "SASRec": (*_EVERY, *BLOCKS),
    "BSARec": (*_EVERY, *BLOCKS, "bsarec_alpha", "bsarec_c"),
    "LiGR": (*_EVERY, "n_layers", "n_heads", "inner_size", "layer_norm_eps"),
    "HSTU": (*_EVERY, "n_layers", "n_heads", "layer_norm_eps"),
}
"""Size keys of the encoders that models take by their key ``encoder``."""

KINDS = {
    **CAUSAL,
    **{f"{kind}Token": sizes for kind, sizes in CAUSAL.items()},
    **{f"{kind}Patched": (*sizes, *_PATCHES) for kind, sizes in CAUSAL.items()},
    **{f"{kind}Adapted": (*CAUSAL[kind], *ADAPTERS) for kind in ("SASRec", "BSARec")},
    "BiasFree": (*_EVERY, "n_layers", "n_heads"),
    "BiasFreeAdapted": (*_EVERY, "n_layers", "n_heads", *ADAPTERS),
    "LatestSASRec": (*_EVERY, *BLOCKS),
    "BERT4Rec": (*_EVERY, *BLOCKS),
    "GRU4Rec": (*_EVERY, "gru_hidden_size", "gru_layers"),
    "NextItNet": (*_EVERY, *_CONVOLUTIONS),
    "NextItNetToken": (*_EVERY, *_CONVOLUTIONS),
    "NextItNetPatched": (*_EVERY, *_CONVOLUTIONS, *_PATCHES),
    "ConureToken": (*_EVERY, *_CONVOLUTIONS),
    "DACDR": (*_EVERY, *BLOCKS),
    "TransRec": (*_EVERY, *BLOCKS),
    "Recency": (*_EVERY, *RECENCY),
    "Recformer": (*_EVERY, "n_layers", "n_heads", "inner_size", "layer_norm_eps", *TEXT),
    "PRECISE": (*_EVERY, *BLOCKS, "targeted_length", "head_size", "user_head"),
    "Fused": (*_EVERY, "parts"),
}
"""Size keys of each kind of encoder."""

SIZE_TYPES: dict[str, Any] = {
    "hidden_act": str,
    "layer_norm_eps": float,
    "bsarec_alpha": float,
    "recent_decay": float,
    "user_head": str,
    "dilations": [int],
    "insertion": set(INSERTIONS),
    "adapter": str,
    "adapter_form": str,
    "parts": [{"encoder": {"kind": str, "hidden_size": int}, "hidden_event": bool, "temperature": Nullable(float)}],
}
# A weight and its axis for each size that decides on how much memory an encoder takes, and how much longer the axis is.
_OF_POSITIONS = {"MAX_ITEM_LIST_LENGTH": ("position_embedding.weight", 0)}
_OF_BLOCKS = {"inner_size": ("blocks.0.inner.weight", 0), **_OF_POSITIONS}
_OF_CAUSAL: dict[str, dict[str, tuple[str, int]]] = {
    "SASRec": _OF_BLOCKS,
    "BSARec": _OF_BLOCKS,
    "LiGR": {"inner_size": ("blocks.0.feed_forward.inner.weight", 0), **_OF_POSITIONS},
    "HSTU": _OF_POSITIONS,
}
# The token has a position of its own.
_LONGER = {"MAX_ITEM_LIST_LENGTH": (1,)}
_OF_TOKEN_CAUSAL: dict[str, dict[str, tuple[Any, ...]]] = {
    kind: {size: (f"encoder.{name}", axis, *_LONGER.get(size, ())) for size, (name, axis) in found.items()}
    for kind, found in _OF_CAUSAL.items()
}
_OF_TOKEN_CONVOLUTIONS = {"kernel_size": ("encoder.blocks.0.first.weight", 0)}
_WEIGHTS: dict[str, dict[str, tuple[Any, ...]]] = {
    **_OF_CAUSAL,
    **{f"{kind}Token": found for kind, found in _OF_TOKEN_CAUSAL.items()},
    **{f"{kind}Patched": found for kind, found in _OF_TOKEN_CAUSAL.items()},
    **{f"{kind}Adapted": found for kind, found in _OF_CAUSAL.items()},
    "BiasFree": _OF_POSITIONS,
    "BiasFreeAdapted": _OF_POSITIONS,
    "LatestSASRec": _OF_BLOCKS,
    "BERT4Rec": _OF_BLOCKS,
    "GRU4Rec": {"gru_hidden_size": ("gru.weight_hh_l0", 1)},
    "NextItNet": {"kernel_size": ("blocks.0.first.weight", 0)},
    "NextItNetToken": _OF_TOKEN_CONVOLUTIONS,
    "NextItNetPatched": _OF_TOKEN_CONVOLUTIONS,
    "ConureToken": _OF_TOKEN_CONVOLUTIONS,
    "TransRec": _OF_BLOCKS,
    "Recency": {},
    "Recformer": {
        "vocabulary": ("longformer.embeddings.word_embeddings.weight", 0),
        "inner_size": ("longformer.encoder.layer.0.intermediate.dense.weight", 0),
        # A position is that of padding, and one is not used; the start token has a position of its own.
        "max_tokens": ("longformer.embeddings.position_embeddings.weight", 0, 2),
        "MAX_ITEM_LIST_LENGTH": ("longformer.embeddings.item_position_embeddings.weight", 0, 1),
    },
    "DACDR": {size: (f"encoder.{name}", axis) for size, (name, axis) in _OF_BLOCKS.items()},
    "PRECISE": {
        **{size: (f"encoder.{name}", axis) for size, (name, axis) in _OF_BLOCKS.items()},
        "head_size": ("head.inner.weight", 0),
    },
}


def encoder_sizes(kind: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return kind and sizes of a sequence encoder.

    Args:
        kind: One of :data:`KINDS`.
        values: Value of every key of the model.

    Returns:
        ``kind`` and the keys of its sizes.
    """
    return {"kind": kind, **{key: values.get(key) for key in KINDS[kind]}}


def check_sizes(sizes: Mapping[str, Any], state: Mapping[str, torch.Tensor]) -> None:
    """Raise ValueError where sizes are not those of the weights; wrong ones could exhaust memory."""
    check_schema(sizes, {key: SIZE_TYPES.get(key, int) for key in KINDS[sizes["kind"]]}, "encoder")
    counts = [value for key, value in sizes.items() if key != "bsarec_alpha"]
    numbers = [size for value in counts for size in (value if isinstance(value, list) else [value])]
    if any(size <= 0 for size in numbers if not isinstance(size, str)):
        raise ValueError("a size of its encoder is not positive")
    if sizes["hidden_size"] % sizes.get("n_heads", 1):
        raise ValueError("its heads do not divide its width")
    if _n_layers(sizes) > len(state):
        raise ValueError("it has fewer layers than its description says")
    for key, (name, axis, *more) in _WEIGHTS[sizes["kind"]].items():
        if (found := state[name].shape[axis] - sum(more)) != sizes[key]:
            raise ValueError(f"{key} is {sizes[key]} in its description, and {found} in its weights")
    largest = max((value.numel() for value in state.values()), default=0)
    if any(sizes.get(key, 0) > largest for key in ("user_adapter_size", "lora_rank")):
        raise ValueError("its adapters are larger than its weights")
    if not 0 < sizes.get("targeted_length", 1) <= sizes["MAX_ITEM_LIST_LENGTH"]:
        raise ValueError("its user vectors are made of more events than its encoder has positions for")


def _n_layers(sizes: Mapping[str, Any]) -> int:
    """Return how many layers an encoder of these sizes has."""
    blocks = sizes.get("block_num", 0) * len(sizes.get("dilations", ()))
    return max(sizes.get("n_layers", 0), sizes.get("gru_layers", 0), blocks)


def history_length(description: Mapping[str, Any]) -> int:
    """Return how many of the latest events a user encoder reads; a masked item takes the place of one."""
    sizes = description["encoder"]
    return sizes.get("targeted_length", sizes["MAX_ITEM_LIST_LENGTH"]) - bool(description["hidden_event"])
