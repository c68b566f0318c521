"""What is held out of PRECISE's universal data: told by place, as items repeat, in every kind of split."""

import itertools
from collections import Counter

import numpy as np
import pytest
from recbole.data import create_dataset, data_preparation

from recbole_idp.models.precise.universal_data import load_universal
from tests.support.precise import configured
from tests.support.splits import BENCHMARK, BY_TIME, histories, write_file, write_histories, write_items

pytestmark = pytest.mark.filterwarnings("ignore:pkg_resources")

RATED = "user_id:token\titem_id:token\trating:float\ttimestamp:float"
KEYS = {
    "leave-one-out": {},
    "one of equal items": {"rm_dup_inter": "first"},
    "by time": BY_TIME,
    "shares of all": {"eval_args": {"split": {"RS": [0.8, 0.1, 0.1]}, "group_by": "none"}},
    "files": BENCHMARK,
}


def rated_events(seed=0):
    """Returns events (user, item, rating, time) of few items, so that users repeat them; times tie."""
    draw = np.random.default_rng(seed)
    return [
        (f"u{user}", f"i{draw.integers(6)}", str(draw.integers(1, 6)), 1000.0 + 10 * (user % 5) + 40 * (step // 2))
        for user in range(30)
        for step in range(int(draw.integers(6, 14)))
    ]


def write(folder, events, fixed):
    """Writes events as one file, or by thirds of a fixed split that mixes their times."""
    if fixed:
        for number, part in enumerate(("valid", "test", "train")):
            rows = [event for place, event in enumerate(events) if min(place % 10, 2) == number]
            write_file(folder, f"films.{part}.inter", RATED, rows)
    else:
        write_file(folder, "films.inter", RATED, events)
    write_items(folder, "films", 20)


def universal_of(folder, **changes):
    """Returns the universal events (user's items in order) and the parts of the targeted events."""
    config = configured(folder, dataset="films", source_domains=[], **changes)
    dataset = create_dataset(config)
    parts = [loader.dataset for loader in data_preparation(config, dataset)]
    universal = load_universal(config, parts[0])
    offsets = universal.sequences.offsets.tolist()
    tokens = [universal.item_tokens[item] for item in universal.sequences.items.tolist()]
    found = Counter(tuple(tokens[begin:end]) for begin, end in itertools.pairwise(offsets) if end > begin)
    return found, parts, dataset


def by_loops(events, dataset, parts, fixed):
    """Returns each user's events that may be trained on, by loops over rows of the file."""
    held = dict(zip(dataset.events.rows.tolist(), dataset.events.parts.tolist(), strict=True))
    if fixed:
        order = [place for want in (2, 0, 1) for place in range(len(events)) if min(place % 10, 2) == want]
        events = [events[place] for place in order]
    trained, found = set(parts[0].user_tokens()), Counter()
    last = max(((events[row][3], row) for row, part in held.items() if part == 0), default=None)
    counts = [sum(min(place % 10, 2) == want for place in range(len(events))) for want in (2, 0, 1)]
    for user in trained:
        own = sorted((time, row, item) for row, (who, item, _, time) in enumerate(events) if who == user)
        kept = []
        for time, row, item in own:
            if fixed:
                if row < counts[0]:
                    kept.append(item)
            elif held.get(row, 0) > 0:
                break
            elif not dataset.split_by_events() or (time, row) <= last:
                kept.append(item)
        found[tuple(kept)] += 1
    return found


@pytest.mark.parametrize("split", KEYS)
def test_universal_events_are_those_before_what_is_held_out(tmp_path, split):
    events = rated_events()
    write(tmp_path, events, split == "files")
    found, parts, dataset = universal_of(tmp_path, **KEYS[split])
    if split != "one of equal items":
        assert found == by_loops(events, dataset, parts, split == "files")
    # More than the targeted events are trained on, and nothing at or after a test event of the user.
    assert sum(len(items) * n for items, n in found.items()) > len(parts[0])


@pytest.mark.parametrize("split", KEYS)
def test_other_test_events_change_nothing_in_universal_training(tmp_path, split):
    events = rated_events(1)
    write(tmp_path / "one", events, split == "files")
    first, parts, dataset = universal_of(tmp_path / "one", **KEYS[split])
    rows = dataset.events.rows[dataset.events.parts == 2].tolist()
    if split == "files":
        order = [place for want in (2, 0, 1) for place in range(len(events)) if min(place % 10, 2) == want]
        rows = [order[row] for row in rows]
    changed = list(events)
    draw = np.random.default_rng(2)
    for row in rows:
        user, item, rating, time = events[row]
        # An item that the user has had before, if it is not refused as a repetition.
        earlier = (
            [f"i{int(item[1:]) + 10}"] if split == "one of equal items" else [e[1] for e in events if e[0] == user]
        )
        changed[row] = (user, earlier[int(draw.integers(len(earlier)))], rating, time)
    assert sum(a != b for a, b in zip(events, changed, strict=True)) > len(rows) // 2
    write(tmp_path / "two", changed, split == "files")
    second, others, _ = universal_of(tmp_path / "two", **KEYS[split])
    assert first == second
    assert len(parts[0]) == len(others[0]) and len(parts[2]) == len(others[2])


def test_rows_with_histories_are_targeted_whole(tmp_path):
    events = [(user, item, time) for user, item, _, time in rated_events(3)]
    cuts = events[:150], events[150:200], events[200:]
    write_histories(tmp_path, histories(cuts), "films")
    found, parts, _ = universal_of(tmp_path, **BENCHMARK)
    in_training = Counter()
    for user in {user for user, _, _ in cuts[0]}:
        in_training[tuple(item for who, item, _ in cuts[0] if who == user)] += 1
    lone = {items for items in in_training if len(items) < 2}
    assert found == Counter({items: n for items, n in in_training.items() if items not in lone})
    assert len(parts[0]) == sum((len(items) - 1) * n for items, n in in_training.items())
