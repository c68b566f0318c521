"""Anchored IDs: what they are made of, what a target gets of them, and what is handed over."""

import numpy as np
import pytest
import torch
from recbole.data import create_dataset, data_preparation

from recbole_idp.errors import UserError
from recbole_idp.models.idp.anchored import anchored, first_projection
from recbole_idp.models.idp.bundle import Bundle
from recbole_idp.models.idp.generation import Anchors, Evidence, generate, match_weights
from recbole_idp.models.idp.gru4rec import IDP_GRU4Rec
from recbole_idp.models.idp.keys import GenerationSettings
from recbole_idp.models.idp.model import IDP
from recbole_idp.models.idp.pretrain import find_or_pretrain
from recbole_idp.models.idp.scale import centred_by_domain
from recbole_idp.models.idp.transfer import prepare_start
from recbole_idp.search.exact import Matches
from recbole_idp.testing import configured
from recbole_idp.train.clock import StageClock
from tests.support.trained import run

# Long enough to learn on 40 users what follows.
SLOWLY = {"pretrain_epochs": 60, "pretrain_stopping_step": 60, "pretrain_learning_rate": 0.01}
ANCHORED = {"source_ids": "anchored", "generator": "anchored"}


def made(domains, model=IDP, name="IDP", **changes):
    """Returns an anchored model on the shop's events, and its texts."""
    config = configured(domains, name, **ANCHORED, **changes)
    train, _, _ = data_preparation(config, create_dataset(config))
    texts = np.random.default_rng(0).normal(size=(8, 20)).astype(np.float32)
    return anchored(model)(config, train.dataset, texts - texts.mean(0)), torch.from_numpy(texts - texts.mean(0))


def pretrained(domains, **changes):
    """Finds or makes a bundle; returns it, and the stages that this took."""
    clock = StageClock()
    return find_or_pretrain(configured(domains, "IDP", **changes), clock), set(clock.stages)


@pytest.mark.parametrize(("model", "name"), [(IDP, "IDP"), (IDP_GRU4Rec, "IDP_GRU4Rec")])
def test_ids_are_projected_texts_and_a_change_that_stays_below_the_bound(domains, model, name):
    source, texts = made(domains, model, name, anchor_bound=0.3)
    torch.testing.assert_close(source.item_vectors()[1:], texts @ source.projection)
    assert not source.item_vectors()[0].any()
    with torch.no_grad():
        source.item_embedding.weight[1:].normal_(std=5)
        source.projection.normal_()
    change = source.item_vectors()[1:] - texts @ source.projection
    lengths = source.item_embedding.weight[1:].norm(dim=1)
    expected = 0.3 * lengths / (0.3**2 + lengths**2).sqrt()
    torch.testing.assert_close(change.norm(dim=1), expected, atol=1e-4, rtol=1e-4)
    assert (change.norm(dim=1) < 0.3).all()
    vectors = source.item_vectors().clone()
    source.settle()
    torch.testing.assert_close(source.state_dict()["item_embedding.weight"], vectors)


def test_the_projection_starts_at_the_principal_components():
    texts = torch.randn(50, 6) * torch.tensor([5.0, 3, 1, 0.5, 0.1, 0.1])
    texts -= texts.mean(0)
    projected = texts @ first_projection(texts, 3)
    products = projected.t() @ projected
    assert products.diagonal().diff().max() < 0 and (products - products.diag().diag()).abs().max() < 1e-3
    assert projected.square().sum(1).mean() == pytest.approx(1, abs=1e-5)
    wide = first_projection(texts, 9)
    assert wide.shape == (6, 9) and not wide[:, 6:].any()


def test_each_domain_is_centred_by_itself_and_items_without_text_stay_zero():
    vectors = np.array([[1, 2], [3, 4], [0, 0], [10, 0], [20, 2]], dtype=np.float32)
    found = centred_by_domain(vectors, np.array(["a", "a", "a", "b", "b"]))
    assert found.tolist() == [[-1, -1], [1, 1], [0, 0], [-5, -1], [5, 1]]


def test_a_target_item_gets_its_projected_text_and_the_change_of_a_twin():
    projection, changes = torch.randn(4, 3), torch.randn(5, 3)
    texts = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    texts[2] = 0
    matches = Matches(
        np.array([[2, 1], [4, 0], [3, 3]]),
        np.array([[0.95, 0.5], [0.85, 0.8], [0, 0]], dtype=np.float32),
        np.array([True, True, False]),
    )
    evidence = Evidence(
        torch.randn(5, 3), np.eye(5), np.eye(3, 5), matches, anchors=Anchors(projection, changes, texts)
    )
    settings = GenerationSettings(generator="anchored", twin_similarity=0.9, rescale="spread", generated_spread=7.0)
    found = generate(evidence, settings)
    expected = torch.from_numpy(texts[:2] - texts[:2].mean(0)) @ projection
    torch.testing.assert_close(found[0], expected[0] + changes[2])
    torch.testing.assert_close(found[1], expected[1])
    torch.testing.assert_close(found[2], (found[0] + found[1]) / 2)
    assert match_weights(matches, settings).tolist() == [[1, 0]] * 3


def test_twins_of_source_items_get_their_ids_and_the_encoder_knows_what_follows(domains):
    config = configured(domains, "IDP", **ANCHORED, source_domains=["pens"], cdim_depth="none", **SLOWLY)
    train, _, _ = data_preparation(config, create_dataset(config))
    start = prepare_start(config, train.dataset, ["zero_shot"])
    bundle, tokens = start.bundle, train.dataset.item_tokens()[1:]
    generated = generate(start.evidence(), GenerationSettings.of(config))
    place = {token.removeprefix("p"): row for row, token in enumerate(bundle.tokens)}
    twins = bundle.item_embeddings[[place[token.removeprefix("s")] for token in tokens]]
    torch.testing.assert_close(generated, twins, atol=1e-5, rtol=1e-5)
    changes = bundle.anchors(start.frozen_vectors).changes.norm(dim=1)
    assert 0.01 < changes.max() < config["anchor_bound"]
    # Each item is followed by the next one round a circle, in all domains. By chance it would be first in an eighth.
    result = run(domains.parent, **_below(domains, config), variants=["zero_shot"])
    assert result["variants"]["zero_shot"]["test"]["ndcg@1"] > 0.9
    assert result["trained"] is not None


def test_bundles_with_anchored_ids_are_other_ones_and_depend_on_the_texts(domains):
    free, _ = pretrained(domains)
    bundle, stages = pretrained(domains, **ANCHORED)
    assert "pretrain" in stages and free.projection is None
    assert bundle.projection.shape == (bundle.text_vectors.shape[1], 16)
    texts = torch.from_numpy(centred_by_domain(bundle.text_vectors, np.array(bundle.domains)))
    beyond = (bundle.item_embeddings - texts @ bundle.projection).norm(dim=1)
    assert 0 < beyond.max() < 0.5
    assert pretrained(domains, **ANCHORED)[1] == set()
    # What is read of the target alone, and the bound where IDs are free, decide on no bundle.
    assert pretrained(domains, source_ids="anchored", generator="map")[1] == set()
    assert pretrained(domains, anchor_bound=0.1)[1] == set()
    assert "pretrain" in pretrained(domains, **ANCHORED, anchor_bound=0.1)[1]
    assert "pretrain" in pretrained(domains, **ANCHORED, text_length=5)[1]
    # The matcher alone is trained anew, on the same IDs.
    other, stages = pretrained(domains, **ANCHORED, cdim_depth="none")
    assert "pretrain" not in stages and torch.equal(other.projection, bundle.projection)
    assert torch.equal(Bundle.open(other.folder).item_embeddings, bundle.item_embeddings)


def test_an_interrupted_matcher_does_not_lose_anchored_ids(domains, monkeypatch):
    from recbole_idp.models.idp import pretrain

    whole, _ = pretrained(domains, **ANCHORED, checkpoint_dir=str(domains / "whole"))

    def interrupted(*given):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(pretrain, "train_matcher", interrupted)
        pretrained(domains, **ANCHORED)
    resumed, stages = pretrained(domains, **ANCHORED)
    assert "pretrain" not in stages
    assert torch.equal(resumed.projection, whole.projection)
    assert torch.equal(resumed.item_embeddings, whole.item_embeddings)


def test_free_ids_have_no_projection_for_a_target(domains):
    config = configured(domains, "IDP", generator="anchored")
    train, _, _ = data_preparation(config, create_dataset(config))
    with pytest.raises(UserError, match=r"generator anchored .* are free: pre-train with --source_ids=anchored"):
        prepare_start(config, train.dataset, ["zero_shot"])


def test_updates_by_rows_are_refused_for_anchored_ids(domains):
    with pytest.raises(UserError, match=r"pretrain_row_updates .* source_ids"):
        configured(domains, "IDP", **ANCHORED, pretrain_row_updates=True)


def _below(domains, config):
    """Returns the keys of a configuration that differ from those of the toy, for a folder above the data."""
    keys = (*ANCHORED, *SLOWLY, "source_domains", "cdim_depth")
    return {**{key: config[key] for key in keys}, "data_path": str(domains)}
