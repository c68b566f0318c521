"""Weights of RecBole's SASRec for our encoder: the same scores from either code."""

import re

import torch

# RecBole's names, in the order in which the first pattern that fits decides, and ours.
_NAMES = (
    (r"item_embedding\.(\w+)", r"item_embedding.\1"),
    (r"position_embedding\.(\w+)", r"encoder.position_embedding.\1"),
    (r"LayerNorm\.(\w+)", r"encoder.norm.\1"),
    (r"trm_encoder\.layer\.(\d+)\.multi_head_attention\.dense\.(\w+)", r"encoder.blocks.\1.attention.dense.\2"),
    (r"trm_encoder\.layer\.(\d+)\.multi_head_attention\.LayerNorm\.(\w+)", r"encoder.blocks.\1.attention_norm.\2"),
    (r"trm_encoder\.layer\.(\d+)\.feed_forward\.dense_1\.(\w+)", r"encoder.blocks.\1.inner.\2"),
    (r"trm_encoder\.layer\.(\d+)\.feed_forward\.dense_2\.(\w+)", r"encoder.blocks.\1.outer.\2"),
    (r"trm_encoder\.layer\.(\d+)\.feed_forward\.LayerNorm\.(\w+)", r"encoder.blocks.\1.feed_forward_norm.\2"),
)
# Three layers there, one with three outputs here.
_FUSED = re.compile(r"trm_encoder\.layer\.(\d+)\.multi_head_attention\.query\.(\w+)")


def load_recbole_sasrec(model, state_dict):
    """Copies the weights of RecBole's SASRec into a model of ours with the same sizes and items.

    Args:
        model (SequenceModel): With a causal :class:`~recbole_idp.model.encoder.transformer.TransformerEncoder`.
        state_dict (dict[str, torch.Tensor]): What ``state_dict()`` of RecBole's SASRec returns.

    Raises:
        ValueError: A name is not one of SASRec's.
        RuntimeError: A size differs, or a weight is missing.
    """
    state = {}
    for name, value in state_dict.items():
        if fused := _FUSED.fullmatch(name):
            parts = [state_dict[name.replace(".query.", f".{part}.")] for part in ("query", "key", "value")]
            state[f"encoder.blocks.{fused[1]}.attention.query_key_value.{fused[2]}"] = torch.cat(parts)
        elif not re.search(r"multi_head_attention\.(key|value)\.", name):
            state[_our_name(name)] = value
    model.load_state_dict(state)


def _our_name(name):
    for theirs, ours in _NAMES:
        if found := re.fullmatch(theirs, name):
            return found.expand(ours)
    raise ValueError(f"{name} is no weight of RecBole's SASRec")
