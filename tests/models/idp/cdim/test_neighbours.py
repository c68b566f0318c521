"""Behaviour neighbours and their recall, against searching by hand."""

import numpy as np
import torch

from recbole_idp.models.idp.cdim.neighbours import NOBODY, behaviour_neighbours, nearest_others, recall_of_neighbours


def by_hand(vectors, s, known):
    """Returns the neighbours that a loop over all pairs finds."""
    found = np.full((len(vectors), s), NOBODY)
    for item in np.flatnonzero(known):
        others = [other for other in np.flatnonzero(known) if other != item]
        norms = np.linalg.norm(vectors[others], axis=1) * np.linalg.norm(vectors[item])
        order = np.argsort(-(vectors[others] @ vectors[item]) / norms)[:s]
        found[item, : len(order)] = np.array(others)[order]
    return found


def test_neighbours_are_those_of_a_loop_over_all_pairs():
    vectors = np.random.default_rng(0).normal(size=(300, 8)).astype(np.float32)
    everyone = np.ones(300, dtype=bool)
    expected = by_hand(vectors, 7, everyone)
    assert (behaviour_neighbours(torch.from_numpy(vectors), 7) == expected).all()
    # lengths do not count
    assert (behaviour_neighbours(vectors * np.arange(1, 301, dtype=np.float32)[:, None], 7) == expected).all()


def test_items_that_nothing_is_known_of_have_no_neighbours_and_are_none():
    vectors = np.random.default_rng(1).normal(size=(60, 4)).astype(np.float32)
    known = np.arange(60) % 3 > 0
    found = behaviour_neighbours(vectors, 5, known)
    assert (found == by_hand(vectors, 5, known)).all()
    assert (found[~known] == NOBODY).all() and (found[known] % 3 > 0).all()
    vectors[known] = 0
    assert (behaviour_neighbours(vectors, 5)[known] == NOBODY).all()


def test_fewer_items_than_neighbours_leave_places_empty():
    vectors = np.eye(3, dtype=np.float32) + 0.1
    found = behaviour_neighbours(vectors, 5)
    assert [set(row) for row in found] == [{1, 2, NOBODY}, {0, 2, NOBODY}, {0, 1, NOBODY}]
    assert (found[:, 2:] == NOBODY).all()
    assert (behaviour_neighbours(vectors[:1], 5) == NOBODY).all()
    assert (behaviour_neighbours(vectors, 5, np.zeros(3, dtype=bool)) == NOBODY).all()


def test_an_item_is_not_its_own_neighbour_where_many_are_equal():
    vectors = np.ones((50, 4), dtype=np.float32)
    found = behaviour_neighbours(vectors, 6)
    assert (found != np.arange(50)[:, None]).all() and (found != NOBODY).all()
    assert all(len(set(row)) == 6 for row in found)


def test_blocks_of_queries_give_what_single_ones_give(monkeypatch):
    from recbole_idp.models.idp.cdim import neighbours

    vectors = np.random.default_rng(2).normal(size=(100, 6)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    whole = nearest_others(vectors, np.arange(100), 4)
    monkeypatch.setattr(neighbours, "_BLOCK", 7)
    assert (nearest_others(vectors, np.arange(100), 4) == whole).all()
    assert (nearest_others(vectors, np.array([42]), 4) == whole[42]).all()


def test_recall_counts_the_neighbours_among_the_nearest_vectors():
    draw = np.random.default_rng(3)
    vectors, behaviour = draw.normal(size=(2, 80, 5)).astype(np.float32)
    neighbours = behaviour_neighbours(behaviour, 4)
    neighbours[:10, 2:] = NOBODY
    queries = np.arange(0, 80, 3)
    nearest = by_hand(vectors, 20, np.ones(80, dtype=bool))
    for k in (1, 5, 20):
        shares = []
        for item in queries:
            wanted = set(neighbours[item]) - {NOBODY}
            shares.append(len(wanted & set(nearest[item, :k])) / len(wanted))
        found = recall_of_neighbours(vectors, neighbours, queries, [k])
        assert np.isclose(found[f"recall@{k}"], np.mean(shares))
    assert recall_of_neighbours(vectors, neighbours, queries, [1, 1000])["recall@1000"] == 1
    assert recall_of_neighbours(behaviour, neighbours, queries, [4])["recall@4"] == 1


def test_untrained_items_are_not_found_by_chance():
    """Items without an event have random embeddings: of these, none is anybody's neighbour."""
    draw = np.random.default_rng(4)
    vectors = np.concatenate([np.repeat(np.eye(4), 5, axis=0) + draw.normal(0, 0.01, (20, 4)), np.eye(4) + 0.001])
    events = np.r_[np.full(20, 5), np.zeros(4, dtype=int)]
    assert (behaviour_neighbours(vectors, 4)[:20] >= 20).any()
    known = behaviour_neighbours(vectors, 4, events > 0)
    assert (known[:20] // 5 == np.repeat(np.arange(4), 5)[:, None]).all()
