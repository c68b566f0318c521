"""Histories of the same people in several domains: what they hold, what they never hold, and what is predicted."""

import numpy as np
import pytest
import torch

from recbole_idp.config.strict import StrictConfig
from recbole_idp.data.history_items import OtherEvents, joined_line
from recbole_idp.data.item_names import HistoryItem
from recbole_idp.data.mixed_rows import count_unused, mixed_rows, own_lengths, without_own_history
from recbole_idp.data.rows import PositionBatches, PrefixBatches
from recbole_idp.data.sequences import Targets
from recbole_idp.data.splits import TEST, TRAIN, Events, part_rows
from recbole_idp.errors import UserError
from recbole_idp.recbole_models.choose import make_dataset

EVENTS = {
    "shop": [
        *(("ann", item, time) for item, time in zip("abcd", (10, 20, 30, 40), strict=True)),
        *(("bob", item, time) for item, time in zip("bca", (5, 6, 7), strict=True)),
        *(("cid", item, time) for item, time in zip("abd", (100, 101, 102), strict=True)),
    ],
    "books": [("ann", "x", 9), ("ann", "y", 20), ("ann", "z", 35), ("ann", "x", 99), ("bob", "y", 50), ("eve", "z", 1)],
}


@pytest.fixture
def data(tmp_path):
    """A folder with two small domains; returns how to write one and how to configure a run."""

    def write(name, events):
        folder = tmp_path / "data" / name
        folder.mkdir(parents=True, exist_ok=True)
        rows = "".join(f"{user}\t{item}\t{time}\n" for user, item, time in events)
        (folder / f"{name}.inter").write_text(f"user_id:token\titem_id:token\ttimestamp:float\n{rows}")
        return folder

    for name, events in EVENTS.items():
        write(name, events)
    return write


def built(tmp_path, model="PositionSASRec", **given):
    """The dataset and its parts."""
    values = {"data_path": str(tmp_path / "data"), "shared_users": [["shop", "books"]], **given}
    dataset = make_dataset(StrictConfig(model=model, dataset="shop", config_dict=values))
    return dataset, dataset.build()


def named(dataset, part):
    """The history and the target of each row of a part, by the items' names."""
    names = [*part.item_tokens(), *(f"{domain}:{token}" for domain, token in dataset.history_items)]
    targets = part.targets()
    items, lengths = targets.histories(torch.arange(len(targets)), 50)
    rows = zip(items.tolist(), lengths.tolist(), targets.items.tolist(), strict=True)
    return [([names[item] for item in row[:length]], names[wanted]) for row, length, wanted in rows]


def test_histories_hold_what_came_strictly_before(tmp_path, data):
    dataset, (train, valid, test) = built(tmp_path)
    assert named(dataset, train) == [
        (["books:x", "a"], "b"),
        (["b"], "c"),
        (["a"], "b"),
    ]
    # What ann did in books at 20, when she took b in shop, comes after b.
    assert named(dataset, valid) == [(["books:x", "a", "b", "books:y"], "c")]
    assert named(dataset, test) == [
        (["books:x", "a", "b", "books:y", "c", "books:z"], "d"),
        (["b", "c"], "a"),
        (["a", "b"], "d"),
    ]
    assert dataset.history_items == [HistoryItem("books", token) for token in ("x", "y", "z")]
    assert test.history_lengths().tolist() == [3, 2, 2]
    assert train.item_counts().tolist() == [0, 2, 3, 1, 0]
    # Ann's x at 99 and bob's y at 50 come after all that is predicted for them.
    facts = {"domains": ["books"], "joined_users": 2, "users": 3, "events": 5, "unused_events": 2}
    assert dataset.joined.facts() == facts
    assert joined_line("shop", facts) == (
        "2 of 3 users of shop are joined with books: they bring 5 events, which are history only; 2 of them are before "
        "nothing that is predicted, and are not used"
    )


def test_targets_are_those_without_the_join(tmp_path, data):
    joined, alone = built(tmp_path)[1], built(tmp_path, shared_users=[])[1]
    for ours, theirs in zip(joined, alone, strict=True):
        rows = [sorted(zip(part.user_tokens(), part.targets().items.tolist(), strict=True)) for part in (ours, theirs)]
        assert rows[0] == rows[1]
        assert ours.item_num == theirs.item_num == theirs.n_inputs == ours.n_inputs - 3


def test_what_comes_after_the_last_target_changes_nothing(tmp_path, data):
    before = [named(built(tmp_path)[0], part) for part in built(tmp_path)[1]]
    data("books", [event for event in EVENTS["books"] if event[2] < 40] + [("ann", "z", 40), ("ann", "y", 1000)])
    dataset, parts = built(tmp_path)
    assert [named(dataset, part) for part in parts] == before


def test_cold_items_are_predicted_from_other_domains_alone(tmp_path, data):
    dataset, (train, valid, test) = built(tmp_path, predicts="cold_item")
    # Ann's first event is a target here, and nobody else has an earlier event in books.
    assert named(dataset, train) == [(["books:x"], "a"), (["books:x"], "b")]
    assert named(dataset, valid) == [(["books:x", "books:y"], "c")]
    assert named(dataset, test) == [(["books:x", "books:y", "books:z"], "d")]
    assert train.item_counts().tolist() == [0, 1, 1, 0, 0]


def test_classes_are_predicted_from_all_events(tmp_path, data):
    users = [f"u{number}" for number in range(20)]
    folder = data("shop", [(user, item, time) for user in users for time, item in enumerate("abc", 100)])
    ages = "".join(f"{user}\t{'old' if number % 2 else 'young'}\n" for number, user in enumerate(users[:18]))
    (folder / "shop.user").write_text(f"user_id:token\tage:token\n{ages}")
    dataset, parts = built(tmp_path, shared_users=[], predicts="profile", profile_field="age")
    assert [len(part.targets()) for part in parts] == [14, 2, 2] and parts[0].item_num == 3
    seen = [user for part in parts for user in part.user_tokens()]
    assert sorted(seen) == sorted(users[:18])
    for part in parts:
        for user, (history, wanted) in zip(part.user_tokens(), named(dataset, part), strict=True):
            assert history == ["shop:a", "shop:b", "shop:c"]
            assert wanted == ("old" if int(user[1:]) % 2 else "young")


@pytest.mark.parametrize(
    ("shop", "books", "says"),
    [
        # Places in each domain's own history.
        ([0, 1, 2, 3], [0, 1], "places in each user's history of one domain"),
        # Places here, real times there.
        ([0, 1, 2, 3], [1.3e9, 1.4e9], "places in each user's history of one domain"),
        ([7, 7, 7, 7], [1, 2], "the same time for all events"),
    ],
)
def test_domains_without_a_common_clock_are_refused(tmp_path, data, shop, books, says):
    for name, times in (("shop", shop), ("books", books)):
        data(name, [(user, f"i{place}", time) for user in ("ann", "bob") for place, time in enumerate(times)])
    with pytest.raises(UserError, match=says):
        built(tmp_path)


def test_one_order_over_both_domains_is_a_clock(tmp_path, data):
    data("shop", [(user, f"i{time}", time) for user in ("ann", "bob") for time in (0, 2, 3, 5)])
    data("books", [(user, f"j{time}", time) for user in ("ann", "bob") for time in (1, 4)])
    dataset, (_, _, test) = built(tmp_path)
    assert named(dataset, test)[0] == (["i0", "books:j1", "i2", "i3", "books:j4"], "i5")


def test_nobody_in_common_is_refused(tmp_path, data):
    data("books", [("eve", "x", 1), ("eve", "y", 2)])
    with pytest.raises(UserError, match="no user of shop has an event in books"):
        built(tmp_path)


def test_a_model_that_joins_nobody_refuses_the_target_among_shared_users(tmp_path, data):
    with pytest.raises(UserError, match="MoRec reads the target's own histories: remove shop there"):
        built(tmp_path, model="MoRec")


def drawn(seed, users=30):
    """Events of a target, with parts, and events elsewhere, at times that often are equal."""
    draw = np.random.default_rng(seed)
    count, others = int(draw.integers(100, 200)), int(draw.integers(50, 150))
    own_times = np.sort(draw.integers(0, 40, count)).astype(float)
    events = Events(
        draw.integers(1, users, count),
        draw.integers(1, 9, count),
        own_times,
        np.arange(count),
        np.where(own_times < 30, TRAIN, TEST),
    )
    times = draw.integers(0, 50, others).astype(float)
    return events, OtherEvents(draw.integers(1, users, others), draw.integers(0, 5, others), times)


@pytest.mark.parametrize("seed", range(20))
def test_mixed_rows_are_what_plain_loops_give(seed):
    events, others = drawn(seed)
    for part in (TRAIN, TEST):
        rows = part_rows(events)[part]
        mixed = mixed_rows(rows, others, 9)
        cold = without_own_history(mixed, 9, 4)
        wanted, wanted_cold = [], []
        for number in rows.events:
            user, time = events.users[number], events.times[number]
            own = [
                (events.times[e], 0, e, events.items[e])
                for e in range(number)
                if events.users[e] == user and events.parts[e] <= part
            ]
            elsewhere = [
                (others.times[e], 1, e, others.items[e] + 9)
                for e in range(len(others.users))
                if others.users[e] == user and others.times[e] < time
            ]
            wanted.append([item for *_, item in sorted(own + elsewhere)])
            if elsewhere:
                wanted_cold.append([item for *_, item in sorted(elsewhere)][-4:])
        for found, expected in ((mixed, wanted), (cold, wanted_cold)):
            items, lengths = found.targets().histories(torch.arange(len(found.ends)), 500)
            histories = [row[:length] for row, length in zip(items.tolist(), lengths.tolist(), strict=True)]
            assert histories == expected
        assert mixed.targets().items.tolist() == events.items[rows.events].tolist()
        assert own_lengths(mixed, 9).tolist() == [sum(item < 9 for item in history) for history in wanted]


@pytest.mark.parametrize("seed", range(5))
def test_events_that_no_history_holds_are_counted(seed):
    events, others = drawn(seed)
    parts = [mixed_rows(part_rows(events)[part], others, 9) for part in (TRAIN, TEST)]
    latest = {}
    for rows in parts:
        for user, end in zip(rows.users().tolist(), rows.ends.tolist(), strict=True):
            latest[user] = max(latest.get(user, 0), rows.times[end])
    unused = [time >= latest.get(user, 0) for user, time in zip(others.users, others.times, strict=True)]
    assert 0 < count_unused(parts, others) == sum(unused) < len(unused)


@pytest.mark.parametrize("length", [3, 50])
def test_each_target_is_trained_once_where_history_items_stand_between(length):
    events, others = drawn(1)
    targets: Targets = mixed_rows(part_rows(events)[TRAIN], others, 9).targets()
    generator = torch.Generator().manual_seed(1)
    found, batches = [], list(PositionBatches(targets, length, 16, generator))
    for batch in batches:
        ((items, wanted),) = batch.parts
        assert int((wanted > 0).sum()) == batch.n_targets
        for row, column in (wanted > 0).nonzero().tolist():
            found.append((items[row, : column + 1].tolist()[-2:], int(wanted[row, column])))
    expected = []
    for batch in PrefixBatches(targets, 2, 16, generator):
        for items, wanted in batch.parts:
            for row in range(len(items)):
                column = int(wanted[row].nonzero())
                expected.append((items[row, : column + 1].tolist(), int(wanted[row, column])))
    assert sorted(wanted for _, wanted in found) == sorted(wanted for _, wanted in expected)
    if length == 50:
        assert sorted(found) == sorted(expected)
    assert all(item < 9 for _, item in found)
