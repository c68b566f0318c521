"""Adapters that are grafted into encoders."""

import copy

import pytest
import torch

from recbole_idp.errors import UserError
from recbole_idp.nn.adapters.patches import ModelPatch
from recbole_idp.nn.adapters.sockets import graft, second_norms, train_only, trained_share
from recbole_idp.nn.encoder.dilated import DilatedEncoder, PreActivationBlock
from recbole_idp.nn.encoder.keys import DilatedSettings, TransformerSettings
from recbole_idp.nn.encoder.transformer import TransformerEncoder

INSERTIONS = ("serial", "serial_one", "parallel", "parallel_reference")


def encoders():
    torch.manual_seed(0)
    small = DilatedSettings(hidden_size=16, block_num=1, initializer_range=0.2)
    transformer = TransformerSettings(hidden_size=16, inner_size=32, hidden_dropout_prob=0.0, attn_dropout_prob=0.0)
    return {
        "NextItNet": DilatedEncoder(small),
        "Conure": DilatedEncoder(small, PreActivationBlock),
        "SASRec": TransformerEncoder(transformer, 9),
    }


def states(encoder, seed=1):
    torch.manual_seed(seed)
    return encoder(torch.randn(3, 9, 16), torch.zeros(3, 9, dtype=torch.bool))


@pytest.mark.parametrize("name", list(encoders()))
@pytest.mark.parametrize("insertion", INSERTIONS)
def test_what_was_pretrained_without_patches_is_loaded_with_them(name, insertion):
    plain = encoders()[name]
    patched = copy.deepcopy(plain)
    for parameter in patched.parameters():
        torch.nn.init.normal_(parameter)
    patches = graft(patched, insertion, lambda: ModelPatch(16))
    assert len(patches) == len(plain.blocks) * (1 if insertion == "serial_one" else 2)
    missing, unexpected = patched.load_state_dict(plain.state_dict(), strict=False)
    assert not unexpected
    assert all(".adapter." in key for key in missing)
    with torch.no_grad():
        # Patches that change nothing leave the encoder as it was, but where the input is added once more.
        for patch in patches:
            for parameter in patch.up.parameters():
                parameter.zero_()
        assert torch.allclose(states(patched), states(plain), atol=1e-6) == (insertion != "parallel_reference")


@pytest.mark.parametrize("name", list(encoders()))
@pytest.mark.parametrize("insertion", INSERTIONS)
def test_patches_and_second_norms_alone_are_trained(name, insertion):
    encoder = encoders()[name]
    patches = graft(encoder, insertion, lambda: ModelPatch(16))
    before = {key: value.clone() for key, value in encoder.state_dict().items()}
    train_only(encoder, [*patches, *second_norms(encoder)])
    optimizer = torch.optim.Adam([part for part in encoder.parameters() if part.requires_grad], lr=0.1)
    states(encoder).pow(3).sum().backward()
    optimizer.step()
    changed = {key for key, value in encoder.state_dict().items() if not torch.equal(value, before[key])}
    norm = "feed_forward_norm" if name == "SASRec" else "second_norm"
    expected = {key for key in before if ".adapter." in key or f".{norm}." in key}
    assert changed == expected
    sizes = {key: value.numel() for key, value in before.items()}
    assert trained_share(encoder) == pytest.approx(sum(sizes[key] for key in expected) / sum(sizes.values()))


def test_a_patch_is_a_quarter_as_wide_and_near_nothing():
    patch = ModelPatch(64, cardinality=4)
    assert patch.down.weight.shape == (16, 64)
    assert patch(torch.randn(50, 64)).abs().max() < 0.2
    assert patch(torch.randn(50, 64)).abs().max() > 0


def test_a_patch_without_width_is_refused():
    with pytest.raises(UserError, match=r"cardinality 5 in an encoder of hidden_size 16.*at most 4"):
        ModelPatch(16, cardinality=5)
    with pytest.raises(UserError, match="or a larger hidden_size"):
        ModelPatch(3)
