"""Products in bfloat16 give nearly the numbers of float32, and weights and evaluation stay in float32."""

import numpy as np
import pytest
import torch

from recbole_idp.nn.encoder.kinds import ENCODERS
from recbole_idp.nn.precision import NarrowLoss, in_precision
from recbole_idp.nn.softmax import sampled_softmax_loss, softmax_loss
from recbole_idp.run.run import run
from recbole_idp.testing import configured

T, N, D, K = 64, 90, 16, 20


def gradients(loss, *inputs):
    inputs = [value.clone().requires_grad_() for value in inputs]
    value = loss(*inputs)
    value.backward()
    return value.detach(), [each.grad for each in inputs]


def drawn():
    draw = torch.Generator().manual_seed(1)
    states, items = torch.randn(T, D, generator=draw), torch.randn(N, D, generator=draw)
    bias, targets = torch.randn(N, generator=draw), torch.randint(0, N, (T,), generator=draw)
    return states, items, bias, targets


def whole(states, items, bias, targets):
    return lambda: gradients(lambda s, i, b: softmax_loss(s, i, targets, b), states, items, bias)


def sampled(states, items, bias, targets):
    negatives = torch.randperm(N, generator=torch.Generator().manual_seed(2))[:K].sort().values
    expected = torch.zeros(K)

    def loss(s, i, b):
        return sampled_softmax_loss(s, i[targets], targets, negatives, i[negatives], expected, b)

    return lambda: gradients(loss, states, items, bias)


@pytest.mark.parametrize("kind", [whole, sampled])
def test_narrow_products_are_near_those_of_float32(kind):
    measure = kind(*drawn())
    exact, exact_gradients = measure()
    with torch.autocast("cpu", torch.bfloat16):
        narrow, narrow_gradients = measure()
    assert narrow.dtype == torch.float32 and narrow != exact
    torch.testing.assert_close(narrow, exact, rtol=1e-2, atol=0)
    for found, expected in zip(narrow_gradients, exact_gradients, strict=True):
        assert found.dtype == torch.float32
        assert (found - expected).norm() < 0.02 * expected.norm()


def test_float32_is_the_loss_itself():
    def loss(batch):
        return batch

    assert in_precision(loss, "float32", torch.device("cpu")) is loss
    assert isinstance(in_precision(loss, "bfloat16", torch.device("cpu")), NarrowLoss)


def metrics(domains, **changes):
    (trial,) = run(configured(domains, "PositionSASRec", epochs=3, **changes))["variants"].values()
    return np.array(list(trial["test"].values()))


def test_a_training_in_bfloat16_is_another_one_of_the_same_quality(domains):
    exact, narrow = (metrics(domains, precision=precision) for precision in ("float32", "bfloat16"))
    assert np.isfinite(narrow).all()
    assert np.abs(exact - narrow).max() < 0.2
    assert np.array_equal(narrow, metrics(domains, precision="bfloat16"))


@pytest.mark.slow
@pytest.mark.parametrize("encoder", ENCODERS)
def test_every_encoder_is_trained_in_bfloat16(domains, encoder):
    assert np.isfinite(metrics(domains, precision="bfloat16", encoder=encoder)).all()
