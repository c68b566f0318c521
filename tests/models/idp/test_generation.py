"""Generated embeddings: each generator beside its formula, and which source items are found for a target item."""

import numpy as np
import pytest
import torch

from recbole_idp.models.idp.generation import (
    GENERATORS,
    Evidence,
    fit_text_map,
    generate,
    paper_weights,
    principal_components,
    softmax_weights,
    text_map,
)
from recbole_idp.models.idp.keys import GenerationSettings
from recbole_idp.search.exact import Matches, retrieve


def evidence(source, items, similarities, source_vectors=None, target_vectors=None, matched=None):
    """Returns what generators look at; text vectors matter to the learned map only."""
    similarities = np.array(similarities, dtype=np.float32)
    matched = np.ones(len(items), dtype=bool) if matched is None else np.array(matched)
    source_vectors = np.eye(len(source), dtype=np.float32) if source_vectors is None else source_vectors
    target_vectors = np.eye(len(items), len(source), dtype=np.float32) if target_vectors is None else target_vectors
    return Evidence(source, source_vectors, target_vectors, Matches(np.array(items), similarities, matched))


def settings(**changes):
    """Returns settings in which nothing is rescaled."""
    return GenerationSettings(**{"map_ridge": 1e-6, "rescale": "none", "own_texts": 0.5, **changes})


def test_paper_weights_are_each_similaritys_share_of_the_sum():
    weights = paper_weights(np.array([[0.6, 0.2, 0.2], [0.5, -0.5, 0.0], [-0.1, -0.2, -0.3]], dtype=np.float32))
    expected = [[0.6, 0.2, 0.2], [1, 0, 0], [1 / 3, 1 / 3, 1 / 3]]
    torch.testing.assert_close(weights, torch.tensor(expected))


def test_softmax_weights_sharpen_as_the_temperature_falls():
    similarities = np.array([[0.9, 0.8]], dtype=np.float32)
    assert softmax_weights(similarities, 0.01)[0, 0] > softmax_weights(similarities, 0.1)[0, 0] > 0.5


@pytest.mark.parametrize("rescale", ["none", "spread", "norm"])
def test_paper_reproduces_the_papers_equation_whatever_the_rescaling(rescale):
    source = torch.tensor([[1.0, 0.0], [0.0, 1.0], [2.0, 2.0]])
    given = evidence(source, [[0, 2]], [[0.75, 0.25]])
    generated = generate(given, settings(generator="paper", rescale=rescale))
    torch.testing.assert_close(generated, torch.tensor([[0.75 * 1 + 0.25 * 2, 0.25 * 2]]))


@pytest.mark.parametrize("generator", list(GENERATORS))
def test_items_without_text_get_the_mean_of_the_others(generator):
    source = torch.randn(6, 4)
    given = evidence(source, [[0], [1], [2]], [[1], [1], [1]], matched=[True, True, False])
    generated = generate(given, settings(generator=generator))
    torch.testing.assert_close(generated[2], generated[:2].mean(0))


def linear_world(noise):
    """Returns text vectors and IDs of 400 source and 30 target items, IDs being a linear function of the texts."""
    draw = np.random.default_rng(3)
    weights = draw.normal(size=(12, 5))
    source, target = draw.normal(size=(400, 12)), draw.normal(size=(30, 12)) + 4
    ids = torch.from_numpy(source @ weights + noise * draw.normal(size=(400, 5))).float()
    truth = torch.from_numpy((target - target.mean(0)) @ weights).float() + ids.mean(0)
    return source.astype("f4"), target.astype("f4"), ids, truth


def test_the_map_finds_a_linear_relation_and_leaves_out_the_domains_own_mean():
    source, target, ids, truth = linear_world(noise=0.5)
    given = evidence(ids, np.zeros((30, 1), dtype=int), np.ones((30, 1)), source, target)
    generated = generate(given, settings(generator="map"))
    assert (generated - truth).norm() < 0.1 * truth.norm()


def test_the_map_stays_in_single_precision_for_a_pool_of_more_than_65_535_items():
    learned = fit_text_map(np.eye(70_000, 2, dtype="f4"), torch.eye(70_000, 3), 0.1)
    assert learned(np.ones((70_000, 2), dtype="f4")).dtype == torch.float32


def test_the_mixture_gives_a_twin_its_own_id_and_a_stranger_the_map():
    source, target, ids, _ = linear_world(noise=2.0)
    target = np.concatenate([source[:15] - source.mean(0), target[:15] - target[:15].mean(0)])
    similarities = np.concatenate([np.ones((15, 1)), np.full((15, 1), 0.1)])
    given = evidence(ids, np.arange(30)[:, None], similarities, source, target)
    mapped = generate(given, settings(generator="map"))
    mixed = generate(given, settings(generator="mixture"))
    shift = mapped[:15] - text_map(evidence(ids, [[0]], [[1]], source, source), settings())[:15]
    torch.testing.assert_close(mixed[:15], ids[:15] + shift, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(mixed[15:], mapped[15:], atol=0.01, rtol=0.01)


def test_the_blend_keeps_twins_and_brings_back_which_target_items_are_alike():
    source, target, ids, _ = linear_world(noise=2.0)
    target = np.concatenate([source[:15] - source.mean(0), target[:15] - target[:15].mean(0)])
    similarities = np.concatenate([np.ones((15, 1)), np.zeros((15, 1))])
    given = evidence(ids, np.arange(30)[:, None], similarities, source, target)
    mixed = generate(given, settings(generator="mixture"))
    blended = generate(given, settings(generator="blend", own_texts=1.0))
    torch.testing.assert_close(blended[:15], mixed[:15], atol=1e-4, rtol=1e-4)
    # Strangers stand to one another as in the first components of their texts.
    distances = torch.pdist(blended[15:])
    wanted = torch.pdist(principal_components(target, ids.shape[1], 1.0)[15:])
    torch.testing.assert_close(distances / distances.mean(), wanted / wanted.mean(), atol=1e-3, rtol=1e-3)
    assert not torch.allclose(
        torch.pdist(mixed[15:]) / torch.pdist(mixed[15:]).mean(), wanted / wanted.mean(), atol=0.1
    )
    same = generate(given, settings(generator="blend", own_texts=0.0))
    torch.testing.assert_close(same, mixed, atol=1e-5, rtol=1e-5)


def test_spread_restores_what_averaging_took_away():
    draw = torch.Generator().manual_seed(0)
    source = torch.randn(500, 8, generator=draw) * 2 + 1
    items = torch.randint(500, (200, 10), generator=draw).numpy()
    given = evidence(source, items, np.ones(items.shape))

    def spread(vectors):
        return (vectors - vectors.mean(0)).pow(2).sum(1).mean().sqrt()

    assert spread(generate(given, settings(generator="neighbours"))) < 0.5 * spread(source)
    wanted = {"rescale": "spread", "generated_spread": float(spread(source))}
    stretched = generate(given, settings(generator="neighbours", **wanted))
    torch.testing.assert_close(spread(stretched), spread(source))
    torch.testing.assert_close(stretched.mean(0), source.mean(0))
    lengths = generate(given, settings(generator="neighbours", rescale="norm")).norm(dim=1)
    torch.testing.assert_close(lengths, lengths[:1].expand(200))


def test_principal_components_keep_the_distances_of_texts_that_fill_no_more_than_the_width():
    draw = np.random.default_rng(1)
    texts = (draw.normal(size=(50, 3)) @ draw.normal(size=(3, 20)) + 5).astype("f4")
    components = principal_components(texts, 8, 2.0)
    assert components.shape == (50, 8)
    torch.testing.assert_close(components.pow(2).sum(1).mean().sqrt(), torch.tensor(2.0))
    distances, expected = (torch.pdist(vectors.double()) for vectors in (components, torch.from_numpy(texts)))
    torch.testing.assert_close(distances / distances.max(), expected / expected.max(), atol=1e-5, rtol=1e-4)
    assert torch.equal(principal_components(texts, 8, 2.0), components)


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
