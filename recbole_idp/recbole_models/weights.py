"""Copy weights of RecBole's models to our encoders, which then give the same scores."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import torch
from torch import nn

Names = Sequence[tuple[str, str]]

# RecBole's names, in the order in which the first pattern that fits decides, and ours.
_TRANSFORMER = (
    (r"item_embedding\.(\w+)", r"item_embedding.\1"),
    (r"position_embedding\.(\w+)", r"encoder.position_embedding.\1"),
    (r"LayerNorm\.(\w+)", r"encoder.norm.\1"),
    (r"trm_encoder\.layer\.(\d+)\.multi_head_attention\.dense\.(\w+)", r"encoder.blocks.\1.attention.dense.\2"),
    (r"trm_encoder\.layer\.(\d+)\.multi_head_attention\.LayerNorm\.(\w+)", r"encoder.blocks.\1.attention_norm.\2"),
    (r"trm_encoder\.layer\.(\d+)\.feed_forward\.dense_1\.(\w+)", r"encoder.blocks.\1.inner.\2"),
    (r"trm_encoder\.layer\.(\d+)\.feed_forward\.dense_2\.(\w+)", r"encoder.blocks.\1.outer.\2"),
    (r"trm_encoder\.layer\.(\d+)\.feed_forward\.LayerNorm\.(\w+)", r"encoder.blocks.\1.feed_forward_norm.\2"),
)
_BERT4REC = (
    *_TRANSFORMER,
    (r"output_ffn\.(\w+)", r"encoder.output.\1"),
    (r"output_ln\.(\w+)", r"encoder.output_norm.\1"),
    (r"output_bias", r"output_bias"),
)
_GRU4REC = (
    (r"item_embedding\.(\w+)", r"item_embedding.\1"),
    (r"gru_layers\.(\w+)", r"encoder.gru.\1"),
    (r"dense\.(\w+)", r"encoder.dense.\1"),
)
# Three layers there, one with three outputs here.
_FUSED = re.compile(r"trm_encoder\.layer\.(\d+)\.multi_head_attention\.query\.(\w+)")


def load_recbole_sasrec(model: nn.Module, state_dict: dict[str, torch.Tensor]) -> None:
    """Copy the weights of RecBole's SASRec into a model of ours with the same sizes and items.

    Args:
        model: A sequence model with a causal :class:`~recbole_idp.nn.encoder.transformer.TransformerEncoder`.
        state_dict: What ``state_dict()`` of RecBole's SASRec returns.

    Raises:
        ValueError: A name is not one of SASRec's.
        RuntimeError: A size differs, or a weight is missing.
    """
    _load(model, _renamed(state_dict, _TRANSFORMER, "SASRec"))


def load_recbole_bert4rec(model: nn.Module, state_dict: dict[str, torch.Tensor]) -> None:
    """Copy the weights of RecBole's BERT4Rec, whose last item vector is the mask.

    Args:
        model: IDP_BERT4Rec, with the same sizes and items.
        state_dict: What ``state_dict()`` of RecBole's BERT4Rec returns.

    Raises:
        ValueError: A name is not one of BERT4Rec's.
        RuntimeError: A size differs, or a weight is missing.
    """
    state = _renamed(state_dict, _BERT4REC, "BERT4Rec")
    vectors = state["item_embedding.weight"]
    state["item_embedding.weight"], state["encoder.mask_vector"] = vectors[:-1], vectors[-1]
    _load(model, state)


def load_recbole_gru4rec(model: nn.Module, state_dict: dict[str, torch.Tensor]) -> None:
    """Copy the weights of RecBole's GRU4Rec.

    Args:
        model: IDP_GRU4Rec, with the same sizes and items.
        state_dict: What ``state_dict()`` of RecBole's GRU4Rec returns.

    Raises:
        ValueError: A name is not one of GRU4Rec's.
        RuntimeError: A size differs, or a weight is missing.
    """
    _load(model, _renamed(state_dict, _GRU4REC, "GRU4Rec"))


def _load(model: nn.Module, weights: Mapping[str, torch.Tensor]) -> None:
    """Load weights into a model; the rest of its state stays."""
    learnt = {name for name, _ in model.named_parameters()}
    others = {name: value for name, value in model.state_dict().items() if name not in learnt}
    model.load_state_dict({**others, **weights})


def _renamed(state_dict: Mapping[str, torch.Tensor], names: Names, model: str) -> dict[str, torch.Tensor]:
    """Return the weights under our names, with query, key and value layers joined."""
    state = {}
    for name, value in state_dict.items():
        if fused := _FUSED.fullmatch(name):
            parts = [state_dict[name.replace(".query.", f".{part}.")] for part in ("query", "key", "value")]
            state[f"encoder.blocks.{fused[1]}.attention.query_key_value.{fused[2]}"] = torch.cat(parts)
        elif not re.search(r"multi_head_attention\.(key|value)\.", name):
            state[_our_name(name, names, model)] = value
    return state


def _our_name(name: str, names: Names, model: str) -> str:
    """Return our name of a weight; raise ValueError if RecBole's model has none of this name."""
    for theirs, ours in names:
        if found := re.fullmatch(theirs, name):
            return found.expand(ours)
    raise ValueError(f"{name} is no weight of RecBole's {model}")
