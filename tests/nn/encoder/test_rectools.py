"""LiGR, HSTU and gBCE give the numbers and gradients of RecTools' layers and loss with the same weights."""

import types

import pytest
import torch

from recbole_idp.nn.encoder.keys import TransformerSettings
from recbole_idp.nn.encoder.kinds import ENCODERS
from recbole_idp.nn.loss import CalibratedLoss

_reason = "RecTools is not installed (pip install rectools[torch]); it is what these numbers are compared with"
ligr = pytest.importorskip("rectools.models.nn.transformers.ligr", reason=_reason)
hstu = pytest.importorskip("rectools.models.nn.transformers.hstu", reason=_reason)
net_blocks = pytest.importorskip("rectools.models.nn.transformers.net_blocks", reason=_reason)

L, D, HEADS, LAYERS = 9, 12, 3, 2


def ours(kind, eps):
    sizes = TransformerSettings(
        hidden_size=D, n_heads=HEADS, n_layers=LAYERS, inner_size=4 * D, layer_norm_eps=eps, hidden_dropout_prob=0.0
    )
    return ENCODERS[kind].build(sizes, L).eval()


def drawn(module):
    torch.manual_seed(1)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return module.eval()


def compare(encoder, names, theirs, encode):
    """Copies weights by name, then compares states, and gradients of the input and of every weight."""
    given = dict(theirs.named_parameters())
    with torch.no_grad():
        for own, (name, change) in names.items():
            encoder.get_parameter(own).copy_(change(given[name]))
        encoder.position_embedding.weight.normal_()
    assert set(names) | {"position_embedding.weight"} == dict(encoder.named_parameters()).keys()
    # The least length has no padding: RecTools pads on the left, and its HSTU multiplies by the padding.
    found_at, expected_at = (torch.randn(4, L, D, generator=torch.Generator().manual_seed(2)) for _ in range(2))
    found_at.requires_grad_(), expected_at.requires_grad_()
    found = encoder(found_at, torch.zeros(4, L, dtype=torch.bool))
    expected = encode(encoder.scale * expected_at + encoder.position_embedding.weight.detach())
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    pull = torch.randn(found.shape, generator=torch.Generator().manual_seed(3)) / 10
    (found * pull).sum().backward()
    (expected * pull).sum().backward()
    torch.testing.assert_close(found_at.grad, expected_at.grad, rtol=1e-5, atol=1e-5)
    for own, (name, change) in names.items():
        torch.testing.assert_close(encoder.get_parameter(own).grad, change(given[name].grad), rtol=1e-5, atol=1e-5)


def same(value):
    return value


def test_ligr():
    layers = drawn(ligr.LiGRLayers(LAYERS, D, HEADS, 0.0))
    parts = {
        "attention_norm": "layer_norm_1",
        "attention.dense": "multi_head_attn.out_proj",
        "attention_gate": "gating_linear_1",
        "feed_forward_norm": "layer_norm_2",
        "feed_forward_gate": "gating_linear_2",
    }
    weights = {f"{own}.{part}": f"{name}.{part}" for own, name in parts.items() for part in ("weight", "bias")}
    for part in ("weight", "bias"):
        weights[f"attention.query_key_value.{part}"] = f"multi_head_attn.in_proj_{part}"
    for own, number in {"inner": 1, "outer": 2, "gate": 3}.items():
        weights[f"feed_forward.{own}.weight"] = f"feed_forward.ff_linear_{number}.weight"
    names = {
        f"blocks.{number}.{own}": (f"transformer_blocks.{number}.{name}", same)
        for number in range(LAYERS)
        for own, name in weights.items()
    }
    later = torch.ones(L, L, dtype=torch.bool).triu(1)
    compare(ours("LiGR", 1e-5), names, layers, lambda x: layers(x, torch.ones(4, L, 1), later, None))


def test_hstu():
    layers = drawn(hstu.STULayers(LAYERS, D, HEADS, D // HEADS, D // HEADS, L, False, True, 0.0, 0.0, 1e-6))
    weights = {
        "norm.weight": ("norm_input.weight", same),
        "norm.bias": ("norm_input.bias", same),
        "inner.weight": ("uvqk_proj", torch.t),
        # Its bias has a value for later events too, which are never seen.
        "attention.bias": ("rel_attn.pos_weights", lambda value: value[:L].flip(0)),
        "attention_norm.weight": ("norm_attn_output.weight", same),
        "attention_norm.bias": ("norm_attn_output.bias", same),
        "outer.weight": ("output_mlp.weight", same),
        "outer.bias": ("output_mlp.bias", same),
    }
    names = {
        f"blocks.{number}.{own}": (f"stu_blocks.{number}.{name}", change)
        for number in range(LAYERS)
        for own, (name, change) in weights.items()
    }
    later = torch.ones(L, L, dtype=torch.bool).triu(1)

    def encode(vectors):
        return layers(vectors + 0, torch.ones(4, L, 1), later, None, {"x": torch.ones(4, L)})

    compare(ours("HSTU", 1e-6), names, layers, encode)


@pytest.mark.parametrize("t", [0.0, 0.75, 1.0])
def test_gbce(t):
    lightning = pytest.importorskip("rectools.models.nn.transformers.lightning", reason=_reason)
    n_items, n_negatives = 40, 7
    loss = CalibratedLoss(1 + n_items, n_negatives, t)
    draw = torch.Generator().manual_seed(4)
    found, expected = (scores.clone().requires_grad_() for scores in [torch.randn(30, 8, generator=draw)] * 2)
    of = types.SimpleNamespace(gbce_t=t, data_preparator=types.SimpleNamespace(n_negatives=n_negatives))
    module = lightning.TransformerLightningModule
    logits = module._get_reduced_overconfidence_logits(of, expected.unsqueeze(1), n_items)
    theirs = module._calc_bce_loss(logits, torch.ones(30, 1), torch.ones(30, 1))
    ours = loss.compare(found[:, 0], found[:, 1:])
    torch.testing.assert_close(ours.double(), theirs, rtol=1e-5, atol=1e-5)
    ours.backward()
    theirs.backward()
    torch.testing.assert_close(found.grad, expected.grad, rtol=1e-5, atol=1e-6)


def test_hstu_scales_item_vectors_as_rectools_does():
    positions = net_blocks.LearnableInversePositionalEncoding(True, L, D, use_scale_factor=True)
    vectors, encoder = torch.randn(2, L, D), ours("HSTU", 1e-6)
    with torch.no_grad():
        # Its first position is that of the latest event; ours that of the first.
        positions.pos_emb.weight.copy_(encoder.position_embedding.weight.flip(0))
        expected = positions(vectors.clone())
    torch.testing.assert_close(encoder.scale * vectors + encoder.position_embedding.weight, expected)
