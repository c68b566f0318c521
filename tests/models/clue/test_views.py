"""CLUE's views of a sequence."""

import collections

import pytest
import torch

from recbole_idp.models.clue.views import MASK, VIEWS

LENGTHS = [1, 2, 3, 7, 10]


@pytest.fixture
def sequences():
    """Rows of these lengths, whose items differ; padded on the right."""
    rows = torch.arange(1, 51).view(5, 10)
    return rows.masked_fill(torch.arange(10) >= torch.tensor(LENGTHS).unsqueeze(1), 0)


def views_of(name, sequences, share=0.3, times=200):
    generator = torch.Generator().manual_seed(0)
    for _ in range(times):
        views = VIEWS[name](sequences, share, generator)
        for events, view in zip(sequences.tolist(), views.tolist(), strict=True):
            kept = [item for item in view if item]
            # Padding is on the right.
            assert view[: len(kept)] == kept
            yield [item for item in events if item], kept


def test_dropout_leaves_the_events_to_the_encoder(sequences):
    assert torch.equal(VIEWS["dropout"](sequences, 0.3, torch.Generator()), sequences)


def test_a_share_of_the_events_is_masked_anywhere(sequences):
    places = collections.Counter()
    for events, view in views_of("mask", sequences):
        hidden = [place for place, item in enumerate(view) if item == MASK]
        assert len(view) == len(events) and len(hidden) == max(1, round(0.3 * len(events)))
        assert all(item in (MASK, own) for own, item in zip(events, view, strict=True))
        if len(events) == 10:
            places.update(hidden)
    assert set(places) == set(range(10)) and min(places.values()) > 30


def test_a_stretch_is_cropped_out_anywhere_and_never_everything(sequences):
    starts = collections.Counter()
    for events, view in views_of("crop", sequences):
        size = min(max(1, round(0.3 * len(events))), len(events) - 1)
        start = next((place for place, item in enumerate(view) if item != events[place]), len(view))
        assert view == events[:start] + events[start + size :]
        if len(events) == 10:
            starts[start] += 1
    assert set(starts) == set(range(8)) and min(starts.values()) > 10
    assert all(len(view) == 1 for events, view in views_of("crop", sequences, share=1.0, times=5))


def test_cropped_rows_are_trimmed_to_the_longest():
    views = VIEWS["crop"](torch.arange(1, 21).view(2, 10), 0.4, torch.Generator().manual_seed(1))
    assert views.shape == (2, 6)


def test_the_events_of_a_stretch_are_shuffled_and_no_others(sequences):
    moved, orders = collections.Counter(), collections.Counter()
    for events, view in views_of("permute", sequences):
        assert sorted(view) == events
        changed = [place for place in range(len(events)) if view[place] != events[place]]
        size = min(max(2, round(0.3 * len(events))), len(events))
        assert not changed or changed[-1] - changed[0] < size
        if len(events) == 10:
            moved.update(changed)
        if len(events) == 2:
            orders[tuple(view)] += 1
    assert set(moved) == set(range(10))
    # Two events are put in either order equally often.
    assert len(orders) == 2 and min(orders.values()) > 70


@pytest.mark.parametrize("name", ["mask", "crop", "permute"])
def test_views_of_a_sequence_differ_from_draw_to_draw(sequences, name):
    generator = torch.Generator().manual_seed(0)
    views = [VIEWS[name](sequences, 0.3, generator).tolist() for _ in range(4)]
    assert any(view != views[0] for view in views[1:])
