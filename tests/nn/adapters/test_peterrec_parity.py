"""Blocks, patches and losses of PeterRec give the numbers of the authors' code."""

import pytest
import torch

from recbole_idp.nn.adapters.patches import ModelPatch
from recbole_idp.nn.adapters.sockets import graft
from recbole_idp.nn.encoder.dilated import PostActivationBlock
from recbole_idp.nn.loss import PairwiseLoss, PointwiseLoss
from tests.support.parity import equal, parity_arrays

TAPS = {"causal": (-2, -1, 0), "noncausal": (-1, 0, 1)}
# The name of the authors' variant: our insertion, its patches by name, branches, dilation.
VARIANTS = {
    "plain": (None, (), 0, 2),
    "peter_2mp_serial": ("serial", ("mp_1", "mp_2"), 1, 2),
    "peter_mp_serial": ("serial_one", ("mp",), 1, 2),
    "peter_2mp_parallel": ("parallel_reference", ("mp_1", "mp_2"), 1, 2),
    "peter_2mp_serial_card2": ("serial", ("mp_1", "mp_2"), 2, 1),
}
CASES = [(name, taps) for name in VARIANTS for taps in TAPS if (name, taps) != ("peter_2mp_serial_card2", "noncausal")]


class Encoder(torch.nn.Module):
    def __init__(self, block):
        super().__init__()
        self.blocks = torch.nn.ModuleList([block])


def build(arrays, name, taps):
    """Returns the block with the authors' weights, its patches, and by the names of arrays the parameters."""
    insertion, names, branches, dilation = VARIANTS[name]
    own = f"{name}_{taps}/layer_0_{dilation}/"
    block = PostActivationBlock(8, TAPS[taps], dilation, 0.02)
    patches = graft(Encoder(block), insertion, lambda: ModelPatch(8, branches)) if insertion else []
    parameters = {}
    for number, place in ((1, "first"), (2, "second")):
        convolution, norm = getattr(block, place), getattr(block, f"{place}_norm")
        parameters[f"{own}dilated_conv{number}/weight"] = convolution.weight
        parameters[f"{own}dilated_conv{number}/bias"] = convolution.bias
        parameters[f"{own}layer_norm{number}/gamma"] = norm.weight
        parameters[f"{own}layer_norm{number}/beta"] = norm.bias
    with torch.no_grad():
        for key, parameter in parameters.items():
            parameter.copy_(arrays[key].squeeze(0) if key.endswith("weight") else arrays[key])
        for key, patch in zip(names, patches, strict=True):
            load(patch, [arrays_of(arrays, f"{own}{key}/", branch) for branch in range(branches)])
    return block, dict(zip((f"{own}{key}/" for key in names), patches, strict=True)), parameters


def arrays_of(arrays, patch, branch):
    parts = ("down_{}/weight", "down_{}/bias", "up_{}/weight", "up_{}/bias")
    return [arrays[f"{patch}mp_conv1_{part.format(branch)}"].squeeze() for part in parts]


def load(patch, branches):
    """Puts the branches of a patch side by side, as they are computed here."""
    down, down_bias, up, up_bias = zip(*branches, strict=True)
    patch.down.weight.copy_(torch.cat([part.view(8, -1) for part in down], 1).T)
    patch.down.bias.copy_(torch.cat([part.view(-1) for part in down_bias]))
    patch.up.weight.copy_(torch.cat([part.view(-1, 8) for part in up]).T)
    patch.up.bias.copy_(sum(up_bias))


@pytest.mark.parametrize(("name", "taps"), CASES)
def test_a_block_gives_output_and_gradients_of_the_authors_code(name, taps):
    arrays = parity_arrays("peterrec")
    block, patches, parameters = build(arrays, name, taps)
    output = block(arrays["in/x"].transpose(0, 1)).transpose(0, 1)
    equal(output, arrays[f"out/{name}_{taps}"])
    output.pow(2).sum().backward()
    gradients = {
        key.removeprefix("grad/"): value for key, value in arrays.items() if key.startswith(f"grad/{name}_{taps}/")
    }
    compared = 0
    for key, expected in gradients.items():
        if key in parameters:
            equal(parameters[key].grad, expected.squeeze(0) if key.endswith("weight") else expected)
            compared += 1
    for prefix, patch in patches.items():
        branches = [key for key in gradients if key.startswith(prefix) and key.endswith("weight")]
        down = torch.cat([gradients[key].view(8, -1) for key in branches], 1)
        bias = torch.cat([gradients[key.replace("weight", "bias")] for key in branches])
        equal(patch.down.weight.grad, down.T)
        equal(patch.down.bias.grad, bias)
        compared += 2 * len(branches)
    assert compared == len(gradients) >= 2


def given(kind, arrays):
    """Returns a loss whose negatives are not drawn, but those of the arrays."""

    class Given(kind):
        def scores(self, states, targets, item_vectors, bias=None):
            score = lambda rows: (states * item_vectors[rows]).sum(-1, keepdim=True)  # noqa: E731
            return score(targets), score(arrays["head/neg"])

    return Given()


@pytest.mark.parametrize(("kind", "name"), [(PointwiseLoss, "bce"), (PairwiseLoss, "bpr")])
def test_losses_are_those_of_the_formulas(kind, name):
    arrays = parity_arrays("peterrec")
    users, table = arrays["out/peter_2mp_serial_causal"][:, -1], arrays["head/table"]
    penalty = 0.02 * table.pow(2).sum() / 2
    equal(given(kind, arrays)(users, arrays["head/pos"], table) + penalty, arrays[f"out/loss_{name}"])
