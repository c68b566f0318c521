"""CLUE's heads and loss beside the formulas' numbers, and the alarm for a collapse."""

import logging

import pytest
import torch

from recbole_idp.models.clue.collapse import COLLAPSED, CollapseAlarm
from recbole_idp.models.clue.heads import Predictor, Projector, similarity_loss, spread
from tests.support.parity import parity_arrays


def part(arrays, prefix):
    return {name.removeprefix(prefix): value for name, value in arrays.items() if name.startswith(prefix)}


def test_heads_loss_and_gradients_are_those_of_the_formulas():
    arrays = parity_arrays("clue")
    first, second = (arrays[f"in/h{view}"].clone().requires_grad_() for view in (1, 2))
    projector, predictor = Projector(first.shape[1]), Predictor(first.shape[1], inner_width=4)
    for head, prefix in ((projector, "proj/"), (predictor, "pred/")):
        left = head.load_state_dict(part(arrays, prefix), strict=False)
        assert not left.unexpected_keys and all("running" in name or "num_" in name for name in left.missing_keys)
    projections = projector(first), projector(second)
    predictions = predictor(projections[0]), predictor(projections[1])
    loss = similarity_loss(*predictions, *projections)
    loss.backward()
    found = {"z1": projections[0], "z2": projections[1], "p1": predictions[0], "p2": predictions[1], "loss": loss}
    for name, value in found.items():
        torch.testing.assert_close(value.detach(), arrays[f"out/{name}"], rtol=0, atol=1e-5)
    for name, value in (("h1", first), ("h2", second)):
        torch.testing.assert_close(value.grad, arrays[f"grad/{name}"], rtol=0, atol=1e-5)


def test_the_loss_is_the_negative_cosine_and_sends_no_gradient_into_the_projections():
    vectors = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    predictions = vectors.clone().requires_grad_()
    projections = (2 * vectors).requires_grad_()
    loss = similarity_loss(predictions, -predictions, projections, projections)
    assert float(loss.detach()) == pytest.approx(0, abs=1e-6)
    loss = similarity_loss(predictions, predictions, projections, projections)
    assert float(loss.detach()) == pytest.approx(-1)
    (loss + 0 * projections.sum()).backward()
    assert not projections.grad.any()


def test_spread_is_one_for_even_directions_and_zero_for_equal_ones():
    generator = torch.Generator().manual_seed(0)
    even = torch.randn(4000, 16, generator=generator)
    assert float(spread(even)) == pytest.approx(1, abs=0.02)
    assert float(spread(7 * even)) == pytest.approx(float(spread(even)))
    assert float(spread(even[:1].expand(50, -1))) == pytest.approx(0, abs=1e-5)
    assert float(spread(even[:1] + 0.01 * even)) < COLLAPSED


def test_a_collapse_is_warned_of_once(caplog):
    caplog.set_level(logging.INFO)
    alarm = CollapseAlarm(64)
    for epoch, value in enumerate((0.9, 0.05, 0.02, 0.5)):
        alarm.report(epoch, value)
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1 and "in epoch 1" in warnings[0] and "\n" not in warnings[0]
    assert "0.0063 a dimension, 0.1250" in warnings[0]
    assert sum(record.levelno == logging.INFO for record in caplog.records) == 4
