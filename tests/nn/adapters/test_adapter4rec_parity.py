"""Adapters beside the arrays that Adapter4Rec's code gave: in a block of the user encoder, and in BERT."""

import pytest
import torch
from torch import nn

from recbole_idp.nn.adapters.bert import adapt_layers
from recbole_idp.nn.adapters.forms import AdapterForm, adapt_sequence_encoder
from recbole_idp.nn.adapters.k_adapter import KAdapters
from recbole_idp.nn.adapters.lora import LoRALinear
from recbole_idp.nn.encoder.bias_free import BiasFreeEncoder
from recbole_idp.nn.encoder.keys import TransformerSettings
from tests.support.bias_free import SMALL, block_state
from tests.support.parity import equal, parity_arrays

BOTTLENECK = {"down": "fc_down", "up": "fc_up"}


def bottleneck(arrays, theirs, ours):
    """Returns the weights of a bottleneck by our names."""
    return {
        f"{ours}{own}.{part}": arrays[f"{theirs}{name}.{part}"]
        for own, name in BOTTLENECK.items()
        for part in ("weight", "bias")
    }


def hypercomplex(arrays, theirs, ours):
    """Returns the weights of a Compacter by our names."""
    names = {"left": "W_left", "right": "W_right", "bias": "b"}
    return {
        f"{ours}{own}.{part}": arrays[f"{theirs}{own}_sampler.{name}"]
        for own in ("down", "up")
        for part, name in names.items()
    }


def norm(arrays, theirs, ours):
    """Returns the weights of a norm by our names."""
    return {f"{ours}.{part}": arrays[f"{theirs}.{part}"] for part in ("weight", "bias")}


SOCKETS = ("blocks.0.attention_socket.adapter.", "blocks.0.feed_forward_socket.adapter.")


def of_sockets(arrays, kind, read=bottleneck, n_sockets=2):
    """Returns the weights of the adapters in a block's sockets."""
    found = {}
    for number, socket in enumerate(SOCKETS[:n_sockets], 1):
        found |= read(arrays, f"{kind}/adapter{number}.", socket)
    return found


def of_pfeiffer(arrays):
    """Returns the weights of Pfeiffer's adapter."""
    own = "blocks.0.feed_forward_norm.adapter."
    return bottleneck(arrays, "pfeiffer/adapter.", own) | norm(arrays, "pfeiffer/LN", f"{own}norm")


USER = {
    "houlsby": (AdapterForm("houlsby", 4, 4), lambda a: of_sockets(a, "houlsby")),
    "parallel": (AdapterForm("parallel", 4, 4, reference=True), lambda a: of_sockets(a, "parallel")),
    "pfeiffer": (AdapterForm("pfeiffer", 4, 4), of_pfeiffer),
    "pfeiffer_ver2": (AdapterForm("pfeiffer_attention", 4, 4), lambda a: of_sockets(a, "pfeiffer_ver2", n_sockets=1)),
    "compacter": (
        AdapterForm("compacter", 4, 4, reference=True),
        lambda a: {**of_sockets(a, "compacter", hypercomplex), "adapter.rule": a["compacter/phm_rule"]},
    ),
}


def encoder_of(arrays, n_layers=1, form=None, weights=None):
    """Returns the user encoder's blocks with the authors' weights, and adapters with theirs."""
    encoder = BiasFreeEncoder(TransformerSettings(n_layers=n_layers, **SMALL), 4)
    if form is not None:
        adapt_sequence_encoder(encoder, form)
    state = dict(weights or {})
    for number, name in enumerate(("block/", "block2/")[:n_layers]):
        state |= block_state(arrays, name, f"blocks.{number}.")
    missing, unexpected = encoder.load_state_dict(state, strict=False)
    assert not unexpected and not any("adapter" in name for name in missing)
    return encoder


def shifted(arrays):
    """Returns the block's input with padding on the right, and the places of real rows on either side."""
    mask = arrays["in/log_mask"] > 0
    order = torch.argsort((~mask).int(), dim=1, stable=True)
    return torch.take_along_dim(arrays["in/x"], order.unsqueeze(-1), 1), mask.gather(1, order), mask


@pytest.mark.parametrize("kind", [None, *USER])
def test_a_block_with_adapters_gives_what_the_authors_code_gives(kind):
    arrays = parity_arrays("adapter4rec")
    form, weights = USER[kind] if kind else (None, lambda a: {})
    encoder = encoder_of(arrays, form=form, weights=weights(arrays))
    states, real, mask = shifted(arrays)
    found = encoder.blocks[0](states, None)
    equal(found[real], arrays[f"out/{kind or 'block'}"][mask])


def test_low_rank_changes_are_those_of_the_authors_code():
    arrays = parity_arrays("adapter4rec")
    encoder = encoder_of(arrays)
    plain = nn.Linear(8, 24)
    names = ("lora/w_Q.weight", "block/multi_head_attention.w_K.weight", "lora/w_V.weight")
    biases = (arrays["lora/w_Q.bias"], torch.zeros(8), arrays["lora/w_V.bias"])
    # The authors' layers are new ones, with biases, and lose what was pre-trained: ours keep the given weights.
    plain.load_state_dict({"weight": torch.cat([arrays[name] for name in names]), "bias": torch.cat(biases)})
    layer = LoRALinear(plain, 4, 3, (0, 2))
    for adapter, name in zip(layer.adapter, ("w_Q", "w_V"), strict=True):
        adapter.load_state_dict({"down": arrays[f"lora/{name}.lora_A"], "up": arrays[f"lora/{name}.lora_B"]})
    encoder.blocks[0].attention.query_key_value = layer
    states, real, mask = shifted(arrays)
    equal(encoder.blocks[0](states, None)[real], arrays["out/lora"][mask])


def k_adapters(arrays, causal):
    """Returns the chain with the authors' weights."""
    chain = KAdapters(8, 4, 2, causal=causal)
    state = {}
    for number in range(2):
        theirs, ours = f"kadapter/adapter_list.{number}.", f"adapters.{number}."
        for own, name in (("down", "down_project"), ("up", "up_project")):
            state |= {f"{ours}{own}.{part}": arrays[f"{theirs}{name}.{part}"] for part in ("weight", "bias")}
        for block in range(2):
            state |= block_state(arrays, f"{theirs}transformer_blocks.{block}.", f"{ours}blocks.{block}.")
    state |= norm(arrays, "kadapter/com_dense2", "joint")
    chain.load_state_dict(state)
    return chain


def test_the_chain_of_k_adapters_is_that_of_the_authors_code_and_ours_sees_no_future():
    arrays = parity_arrays("adapter4rec")
    encoder = encoder_of(arrays, n_layers=2)
    # The authors' small blocks look at padding as well, which is on the other side here: compare whole rows.
    rows = arrays["in/log_mask"].all(1)
    assert rows.any()

    def outputs(states, causal):
        first = encoder.blocks[0](states, None)
        return k_adapters(arrays, causal)([states, first], encoder.blocks[1](first, None))

    states = arrays["in/x"][rows]
    equal(outputs(states, causal=False), arrays["out/kadapter"][rows])
    changed = states.clone()
    changed[:, -1] += 1
    for causal in (False, True):
        leak = (outputs(changed, causal) - outputs(states, causal))[:, :-1].abs().max()
        assert (leak == 0) == causal


def bert_of(arrays):
    """Returns BERT with the authors' weights."""
    from transformers import BertConfig, BertModel

    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    bert = BertModel(BertConfig(vocab_size=40, max_position_embeddings=12, **sizes), add_pooling_layer=False).eval()
    bert.load_state_dict({name[5:]: value for name, value in arrays.items() if name.startswith("bert/")})
    return bert


def states_of(bert, arrays):
    """Returns the last states of real tokens."""
    mask = arrays["in/attention_mask"]
    return bert(input_ids=arrays["in/input_ids"], attention_mask=mask)[0][mask > 0]


ENDS = {"att": "attention.output", "out": "output"}


@pytest.mark.parametrize(
    ("kind", "form", "places"),
    [
        ("houlsby", AdapterForm("houlsby", 4, 4), ("att", "out")),
        ("parallel", AdapterForm("parallel", 4, 4, reference=True), ("att", "out")),
        ("pfeiffer", AdapterForm("pfeiffer", 4, 4), ("out",)),
        ("pfeiffer_ver2", AdapterForm("pfeiffer_attention", 4, 4), ("att",)),
    ],
)
def test_bert_with_adapters_gives_what_the_authors_code_gives(kind, form, places):
    arrays = parity_arrays("adapter4rec")
    bert = bert_of(arrays)
    equal(states_of(bert, arrays), arrays["out/bert"][arrays["in/attention_mask"] > 0])
    names = set(bert.state_dict())
    adapt_layers(bert.encoder, form, "bert")
    assert names <= set(bert.state_dict())
    where = "LayerNorm.adapter." if kind == "pfeiffer" else "socket.adapter."
    state = {}
    for layer in range(2):
        for place in places:
            theirs, ours = f"bert_{kind}/{layer}.{place}.", f"encoder.layer.{layer}.{ENDS[place]}.{where}"
            state |= bottleneck(arrays, f"{theirs}adapter.", ours)
            if kind == "pfeiffer":
                state |= norm(arrays, f"{theirs}LN", f"{ours}norm")
    missing, unexpected = bert.load_state_dict(state, strict=False)
    assert not unexpected and not any("adapter" in name for name in missing)
    equal(states_of(bert, arrays), arrays[f"out/bert_{kind}"][arrays["in/attention_mask"] > 0])


def test_low_rank_changes_of_bert_are_those_of_the_authors_code():
    arrays = parity_arrays("adapter4rec")
    bert = bert_of(arrays)
    adapt_layers(bert.encoder, AdapterForm("lora", 4, 4), "bert")
    state = {}
    for layer in range(2):
        for part in ("query", "value"):
            theirs, ours = f"bert_lora/{layer}.{part}.", f"encoder.layer.{layer}.attention.self.{part}."
            state |= {f"{ours}{name}": arrays[f"{theirs}{name}"] for name in ("weight", "bias")}
            state |= {f"{ours}adapter.0.down": arrays[f"{theirs}lora_A"]}
            state |= {f"{ours}adapter.0.up": arrays[f"{theirs}lora_B"]}
    bert.load_state_dict(state, strict=False)
    equal(states_of(bert, arrays), arrays["out/bert_lora"][arrays["in/attention_mask"] > 0])
