"""Retrieval: the exact search is a brute-force search, and an approximate one says how near it comes."""

import logging

import numpy as np
import pytest
import torch

from recbole_idp.search import exact
from recbole_idp.search.approximate import measured_recall
from recbole_idp.search.exact import retrieve
from recbole_idp.search.vectors import normalised


def clustered(n_clusters, n_each, width, seed=0):
    """Vectors around centres, as the texts of a shop's kinds of items are; float32, shape [n_clusters * n_each, W]."""
    draw = np.random.default_rng(seed)
    centres = draw.normal(size=(n_clusters, 1, width))
    return (centres + 0.3 * draw.normal(size=(n_clusters, n_each, width))).reshape(-1, width).astype(np.float32)


@pytest.fixture(scope="module")
def pool():
    """Source and target vectors from the same clusters."""
    vectors = clustered(60, 60, 24)
    order = np.random.default_rng(1).permutation(len(vectors))
    return vectors[order[:3000]], vectors[order[3000:]]


def brute_force(targets, sources, m):
    cosines = normalised(targets).astype(np.float64) @ normalised(sources).astype(np.float64).T
    items = np.argsort(-cosines, axis=1, kind="stable")[:, :m]
    return items, np.take_along_axis(cosines, items, 1)


@pytest.mark.parametrize(("height", "width"), [(7, 13), (1, 3000), (600, 8), (64, 5)])
def test_blocks_of_any_size_give_what_brute_force_gives(pool, monkeypatch, height, width):
    sources, targets = pool
    # Blocks of fewer items than matches are wanted are among them.
    monkeypatch.setattr(exact, "_TARGETS", height)
    monkeypatch.setattr(exact, "_SOURCES", width)
    matches = retrieve(targets, sources * 5, 10)
    items, cosines = brute_force(targets, sources, 10)
    assert np.array_equal(matches.items, items)
    np.testing.assert_allclose(matches.similarities, cosines, atol=1e-5)
    assert matches.recall == 1.0 and matches.matched.all()


def test_never_more_scores_than_a_block_has_are_held(pool, monkeypatch):
    sources, targets = pool
    monkeypatch.setattr(exact, "_TARGETS", 16)
    monkeypatch.setattr(exact, "_SOURCES", 128)
    largest = 0
    product = torch.mm

    def watched(first, second, out=None):
        nonlocal largest
        largest = max(largest, len(first) * second.shape[1])
        return product(first, second, out=out)

    monkeypatch.setattr(torch, "mm", watched)
    retrieve(targets, sources, 10)
    assert largest == 16 * 128


@pytest.mark.parametrize("search", ["exact", "hnsw", "ivf"])
def test_source_items_without_text_are_never_matched(search):
    sources = -clustered(1, 30, 6)
    sources[::3] = 0
    # All cosines are negative here, so that a row of zeros would come first.
    matches = retrieve(clustered(1, 4, 6), sources, 25, search)
    assert matches.similarities.max() < 0
    assert matches.items.shape == (4, 20)
    assert not np.isin(matches.items, np.arange(0, 30, 3)).any()
    assert retrieve(np.ones((2, 6), "f4"), np.zeros((5, 6), "f4"), 3).items.shape == (2, 3)


@pytest.mark.parametrize("search", ["hnsw", "ivf"])
def test_an_approximate_search_reaches_the_recall_that_is_asked_for(pool, search):
    sources, targets = pool
    matches = retrieve(targets, sources, 10, search, recall=0.97)
    items, _ = brute_force(targets, sources, 10)
    found = np.mean([len(set(ours) & set(true)) / 10 for ours, true in zip(matches.items, items, strict=True)])
    assert matches.recall >= 0.97
    # The sample's recall is an estimate of that of all.
    assert found == pytest.approx(matches.recall, abs=0.02)
    own = np.einsum("tw,tmw->tm", normalised(targets), normalised(sources)[matches.items])
    np.testing.assert_allclose(matches.similarities, own, atol=1e-5)
    assert (np.diff(matches.similarities, axis=1) <= 1e-6).all()


def test_all_is_looked_at_where_nothing_less_reaches_the_recall(pool):
    # Noise has no cells: only the search of all of them finds everything.
    draw = np.random.default_rng(0)
    sources, targets = draw.normal(size=(500, 32)).astype("f4"), draw.normal(size=(50, 32)).astype("f4")
    assert retrieve(targets, sources, 10, "ivf", recall=1.0).recall == 1.0


def test_equal_items_are_as_good_as_each_other():
    truth = np.array([[0.9, 0.8, 0.8]])
    assert measured_recall(np.array([[0.9, 0.8, 0.8]]), truth) == 1
    assert measured_recall(np.array([[0.9, 0.8, 0.5]]), truth) == pytest.approx(2 / 3)


@pytest.mark.parametrize("search", ["hnsw", "ivf"])
def test_an_index_is_built_once_for_the_same_vectors(pool, tmp_path, caplog, search):
    sources, targets = pool
    with caplog.at_level(logging.INFO):
        first = retrieve(targets, sources, 5, search, cache=tmp_path)
        again = retrieve(targets, sources, 5, search, cache=tmp_path)
        assert sum("built in" in record.message for record in caplog.records) == 1
        assert np.array_equal(first.items, again.items)
        retrieve(targets, sources[::-1].copy(), 5, search, cache=tmp_path)
    assert sum("built in" in record.message for record in caplog.records) == 2
    assert sum("recall@5" in record.message for record in caplog.records) == 3
    assert len(list(tmp_path.iterdir())) == 2


def test_a_damaged_index_is_built_again(pool, tmp_path, caplog):
    sources, targets = pool
    first = retrieve(targets, sources, 5, "ivf", cache=tmp_path)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:1000])
    again = retrieve(targets, sources, 5, "ivf", cache=tmp_path)
    assert np.array_equal(first.items, again.items)
    assert "is damaged" in caplog.text
