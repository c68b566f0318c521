"""IDP: the contract, and what it takes over from the source domains."""

import numpy as np
import pytest
import torch
from contracts import ModelContract
from toy import settings

from recbole_idp.errors import UserError
from recbole_idp.matcher.generation import generate, paper_weights, softmax_weights, source_spread
from recbole_idp.matcher.retrieval import Matches, retrieve
from recbole_idp.model.idp import IDP, check_sizes


class TestIDP(ModelContract):
    model = "IDP"


class TestIDPWithBPR(ModelContract):
    model = "IDP"
    changes = {"loss_type": "BPR", "train_negatives": 4}

    # The loss draws negatives, so that two calls differ.
    test_prefix_and_position_losses_agree_where_there_is_one_target = None


class TestIDPWithSampledSoftmax(ModelContract):
    model = "IDP"
    changes = {"train_negatives": 5}

    test_prefix_and_position_losses_agree_where_there_is_one_target = None


def test_paper_weights_are_each_similaritys_share_of_the_sum():
    weights = paper_weights(torch.tensor([[0.6, 0.2, 0.2], [0.5, -0.5, 0.0], [-0.1, -0.2, -0.3]]), 0.05)
    expected = [[0.6, 0.2, 0.2], [1, 0, 0], [1 / 3, 1 / 3, 1 / 3]]
    torch.testing.assert_close(weights, torch.tensor(expected))


def test_softmax_weights_sharpen_as_the_temperature_falls():
    similarities = torch.tensor([[0.9, 0.8]])
    assert softmax_weights(similarities, 0.01)[0, 0] > softmax_weights(similarities, 0.1)[0, 0] > 0.5


def test_generation_reproduces_the_papers_equation():
    source = torch.tensor([[1.0, 0.0], [0.0, 1.0], [2.0, 2.0]])
    matches = Matches(np.array([[0, 2]]), np.array([[0.75, 0.25]], dtype=np.float32), np.array([True]))
    torch.testing.assert_close(generate(source, matches), torch.tensor([[0.75 * 1 + 0.25 * 2, 0.25 * 2]]))


def test_items_without_text_get_the_mean_of_the_others():
    source = torch.randn(6, 4)
    matches = Matches(np.array([[0], [1], [2]]), np.ones((3, 1), dtype=np.float32), np.array([True, True, False]))
    generated = generate(source, matches)
    torch.testing.assert_close(generated[2], generated[:2].mean(0))


def test_spread_restores_what_averaging_took_away():
    draw = torch.Generator().manual_seed(0)
    source = torch.randn(500, 8, generator=draw) * 2 + 1
    averages = torch.stack([source[torch.randint(500, (10,), generator=draw)].mean(0) for _ in range(200)])

    def spread(vectors):
        return (vectors - vectors.mean(0)).pow(2).sum(1).mean().sqrt()

    assert spread(averages) < 0.5 * spread(source)
    stretched = source_spread(averages, source)
    torch.testing.assert_close(spread(stretched), spread(source))
    torch.testing.assert_close(stretched.mean(0), source.mean(0))


def test_retrieval_finds_the_nearest_by_cosine_and_marks_items_without_text():
    draw = np.random.default_rng(0)
    source, target = draw.normal(size=(40, 6)).astype("f4"), draw.normal(size=(5, 6)).astype("f4")
    target[4] = 0
    matches = retrieve(target, source * 7, 3)
    cosine = (target / np.maximum(np.linalg.norm(target, axis=1, keepdims=True), 1e-9)) @ (
        source / np.linalg.norm(source, axis=1, keepdims=True)
    ).T
    assert np.array_equal(matches.items[:4], np.argsort(-cosine, axis=1)[:4, :3])
    np.testing.assert_allclose(matches.similarities[:4], -np.sort(-cosine, axis=1)[:4, :3], atol=1e-6)
    assert matches.matched.tolist() == [True] * 4 + [False]


def test_more_matches_than_source_items_gives_all_of_them():
    assert retrieve(np.eye(3, dtype="f4"), np.eye(3, dtype="f4"), 10).items.shape == (3, 3)


def test_start_from_keeps_the_padding_row_and_takes_the_encoder(domains):
    from recbole_idp.config import StrictConfig
    from recbole_idp.data.dataset import SequenceDataset

    config = StrictConfig("IDP", "shop", config_dict=settings(domains))
    dataset = SequenceDataset(config)
    dataset.build()
    donor, model = IDP(config, dataset), IDP(config, dataset)
    generated = torch.randn(model.n_items - 1, model.hidden_size)
    model.start_from(generated, donor.encoder.state_dict())
    assert not model.item_embedding.weight[0].any()
    torch.testing.assert_close(model.item_embedding.weight[1:], generated)
    for own, other in zip(model.encoder.parameters(), donor.encoder.parameters(), strict=True):
        assert torch.equal(own, other)


def test_an_encoder_of_another_size_is_refused_by_the_name_of_the_key():
    config = {"hidden_size": 64, "n_layers": 2, "n_heads": 2, "inner_size": 256, "hidden_act": "gelu"}
    config["MAX_ITEM_LIST_LENGTH"] = 50
    check_sizes(config, {"encoder": dict(config)})
    with pytest.raises(UserError, match="n_layers=1"):
        check_sizes(config, {"encoder": {**config, "n_layers": 1}})
