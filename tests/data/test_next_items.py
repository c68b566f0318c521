"""Rows with the next items of a user, and items that the user has not seen."""

from collections import Counter

import torch

from recbole_idp.data.next_items import NextItemsBatches, UnseenItems
from recbole_idp.data.sequences import Sequences, Targets
from tests.support.targets import targets_of


def batches(targets, n_following=3, max_length=4, n_items=200, batch_size=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return NextItemsBatches(targets, max_length, n_following, 5, n_items, batch_size, generator)


def rows_of(found):
    """Returns history and next items of each row, without padding."""
    for batch in found:
        for items, following in zip(batch.items.tolist(), batch.following.tolist(), strict=True):
            yield [item for item in items if item], [item for item in following if item]


def test_each_user_is_a_row_an_epoch_and_the_next_items_follow_the_history():
    found = batches(targets_of([9, 12, 6, 2], held_out=0))
    assert len(found) == 2
    places = Counter()
    for _ in range(300):
        rows = list(rows_of(found))
        assert sorted(history[0] // 20 for history, _ in rows) == [0, 1, 2, 3]
        for history, following in rows:
            assert history + following == list(range(history[0], following[-1] + 1))
            assert 1 <= len(history) <= 4 and len(following) == (3 if history[0] < 60 else 1)
            places[following[0]] += 1
    # With two events there is one place; else all that leave three next items are drawn alike.
    assert {place for place in places if place > 60} == {62}
    assert sorted(place for place in places if place < 20) == [2, 3, 4, 5, 6, 7]
    assert max(places[place] for place in range(2, 8)) < 2 * min(places[place] for place in range(2, 8))


def test_held_out_events_are_neither_next_items_nor_kept_from_the_others():
    (batch,) = batches(targets_of([6], held_out=2), n_items=7, n_following=9)
    # Events 5 and 6 are for validation and test: what is known of the user ends before them.
    assert batch.following.max() <= 4 and batch.n_targets == (batch.following > 0).sum()
    assert set(batch.others.flatten().tolist()) <= {5, 6}


def test_an_event_that_is_no_target_is_no_next_item():
    sequences = Sequences.from_events([0] * 6, [1, 2, 3, 4, 5, 6])
    targets = Targets(sequences, torch.zeros(2, dtype=torch.long), torch.tensor([2, 4]))
    seen = set()
    for seed in range(20):
        (batch,) = batches(targets, seed=seed)
        assert set(batch.following[0].tolist()) <= {0, 3, 5}
        assert batch.items[0].max() + 1 == batch.following[0, 0] and batch.n_targets >= 1
        seen.add(int(batch.following[0, 0]))
    assert seen == {3}  # The other target has too few events behind it.


def test_the_others_are_drawn_uniformly_from_what_a_user_has_not_seen():
    # Item 0 is none.
    rows, items = torch.tensor([0, 0, 0, 1, 1, 2, 2, 2, 2]), torch.tensor([5, 1, 5, 3, 0, 1, 2, 3, 4])
    unseen = UnseenItems(rows, items, n_rows=4, n_items=6)
    drawn = unseen.draw(torch.tensor([2, 0, 3, 1]), 3000, torch.Generator().manual_seed(0))
    expected = [[5], [2, 3, 4], [1, 2, 3, 4, 5], [1, 2, 4, 5]]
    for row, candidates in zip(drawn.tolist(), expected, strict=True):
        counts = Counter(row)
        assert sorted(counts) == candidates
        assert max(counts.values()) < 1.2 * min(counts.values())
    full = UnseenItems(torch.zeros(2, dtype=torch.long), torch.tensor([1, 2]), n_rows=1, n_items=3)
    assert not full.draw(torch.tensor([0]), 4, torch.Generator().manual_seed(0)).any()


def test_the_same_seed_draws_the_same():
    first, second = (list(batches(targets_of([9, 12, 6]), seed=3)) for _ in range(2))
    for one, other in zip(first, second, strict=True):
        assert torch.equal(one.items, other.items) and torch.equal(one.others, other.others)
