"""The blocks of MoRec, TCF and Adapter4Rec with the weights of the authors' code, which pads on the left."""

import torch
from torch.nn import functional

from recbole_idp.nn.encoder.bias_free import BiasFreeEncoder
from recbole_idp.nn.encoder.keys import TransformerSettings

SMALL = {"hidden_size": 8, "n_heads": 2, "hidden_dropout_prob": 0.0, "attn_dropout_prob": 0.0}


def block_state(arrays, theirs, ours):
    """Returns the weights of a block, by our names below ``ours``; ``theirs`` is where the authors' names begin."""
    attention = f"{theirs}multi_head_attention."
    joined = torch.cat([arrays[f"{attention}{name}.weight"] for name in ("w_Q", "w_K", "w_V")])
    state = {f"{ours}attention.query_key_value.weight": joined}
    state |= {f"{ours}attention.dense.weight": arrays[f"{attention}fc.weight"]}
    for part in ("weight", "bias"):
        state[f"{ours}attention_norm.{part}"] = arrays[f"{attention}layer_norm.{part}"]
        state[f"{ours}inner.{part}"] = arrays[f"{theirs}feed_forward.w_1.{part}"]
        state[f"{ours}outer.{part}"] = arrays[f"{theirs}feed_forward.w_2.{part}"]
        state[f"{ours}feed_forward_norm.{part}"] = arrays[f"{theirs}feed_forward.layer_norm.{part}"]
    return state


def parity_encoder(arrays, tower):
    """Returns the papers' blocks with the weights of the authors' code."""
    encoder = BiasFreeEncoder(TransformerSettings(n_layers=2, **SMALL), 4)
    prefix = f"{tower}/user_encoder.transformer_encoder."
    state = {"position_embedding.weight": arrays[f"{prefix}position_embedding.weight"]}
    state |= {f"norm.{part}": arrays[f"{prefix}layer_norm.{part}"] for part in ("weight", "bias")}
    for number in range(2):
        state |= block_state(arrays, f"{prefix}transformer_blocks.{number}.", f"blocks.{number}.")
    encoder.load_state_dict(state)
    return encoder


def right_padded(rows):
    """Moves the padding of rows from the left to the right."""
    order = torch.argsort((rows == 0).int(), dim=1, stable=True)
    return rows.gather(1, order)


def parity_states(arrays, encoder, vectors):
    """Returns the states at real steps, and the places of these steps."""
    rows = right_padded(arrays["in/pos"][:, :-1])
    states = encoder(functional.embedding(rows, vectors), rows == 0)
    return states, rows > 0
