"""Positives, and a domain that is kept out: known answers."""

import dataclasses
import itertools
import math

import numpy as np
import pytest
import torch

from recbole_idp.content.text.encoding import TextEncoding
from recbole_idp.content.text.keys import TextSettings
from recbole_idp.data.item_text import ItemFileFormat
from recbole_idp.data.sequences import Sequences
from recbole_idp.errors import UserError
from recbole_idp.models.idp.cdim import kept_out
from recbole_idp.models.idp.cdim.depths import SourceItems, deciding_values
from recbole_idp.models.idp.cdim.kept_out import kept_out_quality
from recbole_idp.models.idp.cdim.neighbours import NOBODY
from recbole_idp.models.idp.cdim.positives import POSITIVES, WINDOW, following_neighbours
from recbole_idp.models.idp.keys import GenerationSettings, MatcherSettings


def sequences(*users):
    """Returns the events of users, each a list of items from 1."""
    pairs = [(number, item) for number, items in enumerate(users) for item in items]
    return Sequences.from_events(*np.array(pairs).T)


def test_items_beside_each_other_are_weighted_against_their_popularity():
    draw = np.random.default_rng(0)
    users = [draw.integers(1, 13, length).tolist() for length in draw.integers(1, 9, 40)]
    counts = np.zeros((12, 12))
    for items in users:
        for first, second in itertools.combinations(range(len(items)), 2):
            if second - first <= WINDOW and items[first] != items[second]:
                for one, other in ((first, second), (second, first)):
                    counts[items[one] - 1, items[other] - 1] += 1 / (second - first)
    known = np.arange(12) != 5
    counts[~known] = counts[:, ~known] = 0
    found = following_neighbours(sequences(*users), 12, 4, known)
    for item in range(12):
        total = counts.sum(1)
        weights = {
            other: counts[item, other] / math.sqrt(total[item] * total[other])
            for other in range(12)
            if counts[item, other]
        }
        expected = sorted(weights, key=lambda other: (-round(weights[other], 9), other))[:4]
        assert [other for other in found[item] if other != NOBODY] == expected
    assert (found[5] == NOBODY).all() and 5 not in found


def test_a_popular_item_is_not_everybodys_next_item():
    # 9 stands beside all; 1 and 2 beside each other, and half as often.
    users = [[1, 9], [1, 9], [2, 9], [2, 9], *[[other, 9] for other in range(3, 9)] * 5, [1, 2]]
    found = following_neighbours(sequences(*users), 9, 1)
    assert found[0, 0] == 1 and found[1, 0] == 0


def test_positives_are_chosen_by_name():
    behaviour = torch.tensor([[1.0, 0], [0.9, 0.1], [0, 1], [0.1, 0.9]])
    items = SourceItems(
        behaviour, np.ones(4), list("abcd"), np.eye(4), np.zeros(4, dtype=int), sequences([1, 3], [2, 4])
    )
    everyone = np.ones(4, dtype=bool)
    assert POSITIVES["behaviour"](items, 1, everyone).ravel().tolist() == [1, 0, 3, 2]
    assert POSITIVES["next_items"](items, 1, everyone).ravel().tolist() == [2, 3, 0, 1]


def test_a_choice_that_is_the_default_leaves_the_bundles_made_before():
    before = deciding_values(MatcherSettings())
    assert "cdim_positives" not in before
    assert deciding_values(MatcherSettings(cdim_positives="next_items")) == {**before, "cdim_positives": "next_items"}


def kept_in(folder):
    """Returns the settings of texts whose vectors are kept in a folder."""
    return TextEncoding(TextSettings(), ItemFileFormat(), "cpu", folder, show_progress=False, target="", data_path="")


def two_shops(items=120):
    """Two domains with the same kinds of items: in both, one component of the texts decides on what follows."""
    draw = np.random.default_rng(0)
    kind, domains = np.arange(2 * items) % 4, np.repeat([0, 1], items)
    texts = draw.normal(size=(2 * items, 8)).astype(np.float32)
    texts[:, :4] = 3 * np.eye(4)[kind] + draw.normal(0, 0.1, (2 * items, 4))
    ids = torch.from_numpy(np.eye(4)[kind] + draw.normal(0, 0.1, (2 * items, 4))).float()
    users = []
    for _ in range(800):
        alike = np.flatnonzero((kind == draw.integers(4)) & (domains == draw.integers(2)))
        users.append((draw.choice(alike, 3) + 1).tolist())
    return SourceItems(
        ids, np.ones(2 * items), [str(number) for number in range(2 * items)], texts, domains, sequences(*users)
    )


def quality(items, tmp_path, **changes):
    settings = MatcherSettings(
        cdim_epochs=4, cdim_batch_size=32, cdim_learning_rate=0.02, cdim_valid_items=20, **changes
    )
    return kept_out_quality(
        (settings, GenerationSettings(top_m=3, generator="neighbours")),
        items,
        1,
        None,
        kept_in(tmp_path),
        tmp_path / "c",
        1,
    )


def test_matches_of_a_domain_that_is_kept_out_are_held_against_what_people_took_next(tmp_path):
    items = two_shops()
    found = quality(items, tmp_path)
    assert found["items"] == 120 and found["matcher"] == "head"
    # 29 others are of an item's kind, and by chance 10 of 119 would be found.
    for name in ("texts", "generated"):
        assert found["after"][name]["recall@10"] > 2 * 10 / 119
    assert found["after"]["texts"]["recall@50"] > found["before"]["texts"]["recall@50"]
    assert found["own"]["recall@50"] > 0.95

    shuffled = np.random.default_rng(1).permutation(120)
    ids = items.embeddings.clone()
    ids[:120] = ids[shuffled]
    noise = quality(dataclasses.replace(items, embeddings=ids), tmp_path / "noise")
    assert noise["before"]["texts"] == found["before"]["texts"]
    assert noise["before"]["generated"]["recall@50"] < 0.6 < found["before"]["generated"]["recall@50"]


def test_the_matcher_does_not_see_the_domain_that_is_kept_out(tmp_path, monkeypatch):
    seen = []
    train = kept_out.train_matcher
    monkeypatch.setattr(
        kept_out,
        "train_matcher",
        lambda settings, items, *others: seen.append(items) or train(settings, items, *others),
    )
    quality(two_shops(), tmp_path)
    (items,) = seen
    assert not any(items.texts[120:]) and not items.frozen_vectors[120:].any()
    assert all(items.texts[:120]) and items.frozen_vectors[:120].any(1).all()


def test_a_domain_without_others_cannot_be_kept_out(tmp_path):
    items = dataclasses.replace(two_shops(), domains=np.ones(240, dtype=int))
    with pytest.raises(UserError, match=r"inspect_kept_out needs a domain .* the others have 0"):
        quality(items, tmp_path)
