"""TextKNN: the contract, its scores item by item, whitening, and the trained folder."""

import numpy as np
import pytest
import torch

from recbole_idp.models.textknn.whitening import whitened
from recbole_idp.testing import ModelContract
from tests.support.models import made

pytestmark = pytest.mark.filterwarnings("ignore:pkg_resources")


class TestTextKNN(ModelContract):
    model = "TextKNN"

    # Nothing is trained: there is no loss to compare, nothing to learn, and nothing to interrupt.
    test_prefix_and_position_losses_agree_where_there_is_one_target = None
    test_learns_which_item_follows_which = None
    test_an_interrupted_training_ends_like_an_uninterrupted_one = None


def test_scores_are_cosines_to_the_latest_events(domains):
    model, _, _ = made(domains, "TextKNN", recent_events=3, recent_decay=0.5)
    history = [2, 7, 4, 5]
    with torch.no_grad():
        found = model.eval().encode(torch.tensor([history]))[0, -1] @ model.candidate_vectors().t()
    vectors = model.vectors
    for item in range(1, model.n_items):
        cosines = [float(vectors[item] @ vectors[other]) for other in (5, 4, 7)]
        assert float(found[item]) == pytest.approx(cosines[0] + 0.5 * cosines[1] + 0.25 * cosines[2], abs=1e-5)


def test_whitened_vectors_vary_alike_in_all_directions():
    draw = np.random.default_rng(3)
    vectors = (draw.normal(size=(400, 6)) @ draw.normal(size=(6, 6)) + 3).astype(np.float32)
    vectors[7] = 0
    found = whitened(vectors, 6, settled=400)
    assert found[7].abs().max() == 0
    others = found[torch.arange(400) != 7].double()
    assert torch.allclose(others.norm(dim=1), torch.ones(399).double(), atol=1e-6)
    # Of length one, six directions have a sixth of the variance each.
    assert torch.allclose(others.t() @ others / 399, torch.eye(6).double() / 6, atol=0.02)


def test_directions_in_which_nothing_varies_are_omitted():
    draw = np.random.default_rng(3)
    vectors = np.repeat(draw.normal(size=(50, 3)), 2, axis=1).astype(np.float32)
    found = whitened(vectors, 6, settled=50)
    assert found.shape == (50, 3) and torch.isfinite(found).all()


def test_items_beyond_the_settled_ones_change_nothing():
    vectors = np.random.default_rng(3).normal(size=(60, 4)).astype(np.float32)
    assert torch.equal(whitened(vectors, 4, settled=40)[:40], whitened(vectors[:40], 4, settled=40))
