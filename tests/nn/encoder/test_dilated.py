"""Dilated convolutions: those of PyTorch, and causal."""

import pytest
import torch
from torch.nn import functional

from recbole_idp.nn.encoder.dilated import (
    BiasedConvolution,
    DilatedConvolution,
    DilatedEncoder,
    PostActivationBlock,
    PreActivationBlock,
)
from recbole_idp.nn.encoder.keys import DilatedSettings

BLOCKS = (PostActivationBlock, PreActivationBlock)


@pytest.mark.parametrize("length", [1, 2, 7, 20])
@pytest.mark.parametrize("dilation", [1, 4, 9])
def test_a_convolution_is_that_of_pytorch(length, dilation):
    torch.manual_seed(0)
    layer = DilatedConvolution(5, (-2, -1, 0), dilation, 0.5).double()
    states = torch.randn(length, 3, 5, dtype=torch.double, requires_grad=True)
    padded = functional.pad(states.permute(1, 2, 0), (2 * dilation, 0))
    expected = functional.conv1d(padded, layer.weight.permute(2, 1, 0), dilation=dilation).permute(2, 0, 1)
    found = layer(states)
    torch.testing.assert_close(found, expected)
    wanted = torch.randn_like(expected)
    for mine, theirs in zip(
        torch.autograd.grad(found, (states, layer.weight), wanted),
        torch.autograd.grad(expected, (states, layer.weight), wanted),
        strict=True,
    ):
        torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize("taps", [(-2, -1, 0), (-1, 0, 1), (-3, -2, -1, 0), (1, 2)])
def test_gradients_are_those_of_differences(taps):
    torch.manual_seed(0)
    layer = BiasedConvolution(3, taps, 2, 0.5).double()
    states = torch.randn(6, 2, 3, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(lambda *_: layer(states), (states, layer.weight, layer.bias))


@pytest.mark.parametrize("block", BLOCKS)
def test_an_encoder_sees_neither_the_future_nor_padding(block):
    torch.manual_seed(0)
    encoder = DilatedEncoder(DilatedSettings(hidden_size=8, initializer_range=0.3), block)
    vectors, padding = torch.randn(3, 30, 8), torch.zeros(3, 30, dtype=torch.bool)
    changed = vectors.clone()
    changed[:, 17:] = torch.randn(3, 13, 8)
    with torch.no_grad():
        states = encoder(vectors, padding)
        assert torch.equal(states[:, :17], encoder(changed, padding)[:, :17])
        assert torch.equal(states[:, :17], encoder(vectors[:, :17], padding[:, :17]))
        assert not torch.allclose(states[:, 17], encoder(changed, padding)[:, 17])


@pytest.mark.parametrize("block", BLOCKS)
def test_each_earlier_event_within_reach_counts(block):
    torch.manual_seed(0)
    settings = DilatedSettings(hidden_size=8, dilations=[1, 3], block_num=1, initializer_range=0.3)
    vectors = torch.randn(1, 30, 8, requires_grad=True)
    encoder = DilatedEncoder(settings, block)
    encoder(vectors, torch.zeros(1, 30, dtype=torch.bool))[0, -1].sum().backward()
    reach = 2 * (1 + 2 + 3 + 6)
    assert (vectors.grad[0].abs().sum(1) > 0).tolist() == [False] * (29 - reach) + [True] * (reach + 1)


def test_the_default_has_the_papers_sixteen_convolutions():
    encoder = DilatedEncoder(DilatedSettings())
    dilations = [-layer.shifts[-2] for block in encoder.blocks for layer in (block.first, block.second)]
    assert dilations == [1, 2, 4, 8] * 4
    weights = torch.cat([block.first.weight.flatten() for block in encoder.blocks]).detach()
    assert weights.abs().max() <= 0.04
    assert 0.017 < weights.std() < 0.018
