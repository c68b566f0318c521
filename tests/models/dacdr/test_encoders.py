"""The parts of DA-CDR (own reconstruction) by themselves: gradient reversal, discriminators, orthogonality."""

import functools
import math

import pytest
import torch

from recbole_idp.models.dacdr.encoders import (
    SOURCE,
    TARGET,
    Discriminator,
    Parts,
    SharedPrivateEncoder,
    domain_accuracy,
    domain_loss,
    overlap,
)
from recbole_idp.models.dacdr.reversal import reversal_strength, reverse_gradient


@pytest.mark.parametrize("strength", [0.0, 0.4, 1.0])
def test_reversed_gradients_are_minus_lambda_times_the_plain_ones(strength):
    torch.manual_seed(0)
    layer, values = torch.nn.Linear(5, 3), torch.randn(7, 5, requires_grad=True)
    (plain,) = torch.autograd.grad(layer(values).tanh().sum(), values)
    reversed_values = reverse_gradient(values, strength)
    assert torch.equal(reversed_values, values)
    (turned,) = torch.autograd.grad(layer(reversed_values).tanh().sum(), values)
    torch.testing.assert_close(turned, -strength * plain)
    # What lies behind it learns as always.
    for own, other in zip(
        torch.autograd.grad(layer(reverse_gradient(values, strength)).tanh().sum(), layer.parameters()),
        torch.autograd.grad(layer(values).tanh().sum(), layer.parameters()),
        strict=True,
    ):
        assert torch.equal(own, other)


def test_the_strength_grows_from_zero_to_one():
    assert reversal_strength(0) == 0 and reversal_strength(1) == pytest.approx(math.tanh(5))
    grown = [reversal_strength(share / 10) for share in range(11)]
    assert grown == sorted(grown) and grown[2] == pytest.approx(2 / (1 + math.exp(-2)) - 1)


def test_domains_share_one_encoder_and_have_one_each():
    torch.manual_seed(0)
    encoder, vectors = SharedPrivateEncoder(6, 0.5).eval(), torch.randn(4, 6)
    source, target = encoder.parts(vectors, SOURCE), encoder.parts(vectors, TARGET)
    assert torch.equal(source.shared, target.shared) and not torch.allclose(source.private, target.private)
    expected = torch.cat([target.shared, target.private], 1) @ encoder.mix.weight.t() + encoder.mix.bias
    torch.testing.assert_close(encoder(vectors, TARGET), expected)
    encoder(vectors, TARGET).sum().backward()
    assert all(parameter.grad is None for parameter in encoder.private[SOURCE].parameters())
    chosen = target.rows(torch.tensor([2, 0]))
    assert torch.equal(chosen.shared, target.shared[[2, 0]]) and torch.equal(chosen.private, target.private[[2, 0]])


def test_the_loss_of_a_discriminator_weighs_both_domains_alike():
    source, target = torch.tensor([-1.0, 2.0, -3.0, -0.5]), torch.tensor([0.3, -2.0])
    labelled = torch.nn.functional.binary_cross_entropy_with_logits
    expected = (labelled(source, torch.zeros(4)) + labelled(target, torch.ones(2))) / 2
    torch.testing.assert_close(domain_loss(source, target), expected)
    assert float(domain_accuracy(source, target)) == pytest.approx((3 / 4 + 1 / 2) / 2)


def test_the_overlap_is_zero_for_orthogonal_parts_and_does_not_depend_on_lengths():
    torch.manual_seed(0)
    shared, private = torch.randn(2, 5, 3)
    unit_shared, unit_private = shared / shared.norm(dim=1, keepdim=True), private / private.norm(dim=1, keepdim=True)
    expected = sum(float(a @ b) ** 2 for a in unit_shared.T for b in unit_private.T) / 25
    assert float(overlap(Parts(shared, private))) == pytest.approx(expected, rel=1e-5)
    assert float(overlap(Parts(3 * shared, private))) == pytest.approx(expected, rel=1e-5)
    rows = torch.eye(4)
    # The columns of one part are zero where those of the other are not.
    assert float(overlap(Parts(rows[:, :2].repeat(1, 2)[:2], torch.zeros(2, 4)))) == 0
    assert float(overlap(Parts(torch.tensor([[1.0, 0], [1.0, 0]]), torch.tensor([[1.0, 0], [-1.0, 0]])))) == 0


@functools.cache
def trained_adversary(strength, overlap_weight):
    """Trains encoders and a discriminator on two domains that differ in the first half of their vectors.

    Both parts together keep the vectors, and the shared part alone keeps their second half.

    Returns:
        tuple[float, list[float]]: The accuracy of the discriminator on other rows, and the overlap of each step.
    """
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(1)
    shift = torch.cat([torch.full((4,), 1.5), torch.zeros(4)])

    def rows(sign):
        return torch.randn(128, 8, generator=generator) + sign * shift

    encoder, discriminator, task = SharedPrivateEncoder(8, 0.0), Discriminator(8), torch.nn.Linear(8, 4)
    optimizer = torch.optim.Adam([*encoder.parameters(), *discriminator.parameters(), *task.parameters()], lr=0.01)
    overlaps = []
    for _ in range(120):
        vectors = rows(-1), rows(1)
        parts = [encoder.parts(part, domain) for part, domain in zip(vectors, (SOURCE, TARGET), strict=True)]
        fit = sum(
            (task(part.shared) - own[:, 4:]).pow(2).mean() + (encoder.joined(part) - own).pow(2).mean()
            for part, own in zip(parts, vectors, strict=True)
        )
        apart = sum(overlap(part) for part in parts)
        overlaps.append(float(apart.detach()))
        told = domain_loss(*(discriminator(part.shared, strength) for part in parts))
        optimizer.zero_grad()
        (fit + told + overlap_weight * apart).backward()
        optimizer.step()
    with torch.no_grad():
        logits = [discriminator(encoder.parts(rows(sign), SOURCE).shared, strength) for sign in (-1, 1)]
    return float(domain_accuracy(*logits)), overlaps


@pytest.mark.slow
def test_domains_can_be_told_apart_unless_the_gradient_is_reversed():
    assert trained_adversary(0.0, 0)[0] > 0.95
    assert trained_adversary(1.0, 0)[0] < 0.7


@pytest.mark.slow
def test_the_overlap_goes_down_where_it_is_weighed():
    weighed, free = trained_adversary(1.0, 10)[1], trained_adversary(1.0, 0)[1]
    assert weighed[0] == free[0]
    assert sum(weighed[-20:]) < min(sum(weighed[:20]), sum(free[-20:])) / 4
