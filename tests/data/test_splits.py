"""Splits that are given event by event: by time, by shares of all events, by files; for all kinds of models alike."""

import itertools
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from recbole.data import data_preparation

from recbole_idp.config.declarations import model_settings
from recbole_idp.config.strict import StrictConfig
from recbole_idp.data.notes import data_notes, overlap_note, split_notes
from recbole_idp.data.splits import TEST, TRAIN, VALID, Events, only_places, overlap, part_rows
from recbole_idp.errors import UserError
from recbole_idp.recbole_models.choose import make_dataset
from recbole_idp.testing.toy import settings
from tests.support.splits import (
    BENCHMARK,
    BY_TIME,
    HEADER,
    SPLITS,
    cut,
    histories,
    in_time,
    timed_events,
    write_all,
    write_file,
    write_histories,
    write_items,
    write_plain,
    write_times,
)

pytestmark = pytest.mark.filterwarnings("ignore:pkg_resources")

# One model of each kind of dataset: ours, RecBole's on trimmed batches, RecBole's own rows, and one without order.
KINDS = ("PositionSASRec", "SASRec", "NARM", "Pop")
MADE_HERE = {
    "leave-one-out": {},
    "without validation": {"eval_args": {"split": {"LS": "test_only"}}},
    "shares of each user": {"eval_args": {"split": {"RS": [0.6, 0.2, 0.2]}}},
    "shares of all": {"eval_args": {"split": {"RS": [0.8, 0.1, 0.1]}, "group_by": "none"}},
    "by time": BY_TIME,
}


def config_of(folder, dataset, model="PositionSASRec", **changes):
    """Returns the configuration of any model, without the keys that it does not have."""
    known = model_settings(model, dataset)
    given = settings(folder, dataset=dataset, **changes)
    return StrictConfig(model, dataset, config_dict={key: value for key, value in given.items() if key in known})


def parts_of(config):
    """Returns the dataset of a configuration after its split, and the parts."""
    dataset = make_dataset(config)
    return dataset, [loader.dataset for loader in data_preparation(config, dataset)]


def targets(part):
    """Returns the (user, item) pairs of a part's rows."""
    items = part.inter_feat[part.iid_field].tolist()
    return Counter(zip(part.user_tokens(), (part.item_tokens()[item] for item in items), strict=True))


def read_histories(part):
    """Returns the rows (user, history, item) of a part of a sequential dataset."""
    found, tokens, rows = [], part.item_tokens(), part.targets()
    for user, start, end in zip(part.user_tokens(), rows.starts.tolist(), rows.ends.tolist(), strict=True):
        items = [tokens[item] for item in rows.sequences.items[start : end + 1].tolist()]
        found.append((user, tuple(items[:-1]), items[-1]))
    return Counter(found)


def by_pandas(events, shares):
    """A second implementation of the split by time: each event with its part, by pandas."""
    frame = pd.DataFrame(events, columns=["user", "item", "time"])
    first, second = frame.time.quantile([shares[0], shares[0] + shares[1]], interpolation="lower")
    frame["part"] = (frame.time > first).astype(int) + (frame.time > second).astype(int)
    frame = frame.sort_values("time", kind="stable")
    rows = [[], [], []]
    for _, own in frame.groupby("user", sort=False):
        items = own.item.tolist()
        for place, part in list(enumerate(own.part))[1:]:
            rows[part].append((own.user.iloc[0], tuple(items[:place]), items[place]))
    return [Counter(part) for part in rows], frame


# ---- by time


@pytest.mark.parametrize("shares", [[0.8, 0.1, 0.1], [0.7, 0.2, 0.1], [0.5, 0.0, 0.5], [8, 1, 1]])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_split_by_time_is_that_of_a_second_implementation(tmp_path, seed, shares):
    events = timed_events(seed)
    write_times(tmp_path, events)
    dataset, parts = parts_of(config_of(tmp_path, "times", eval_args={"split": {"TS": shares}}))
    expected, frame = by_pandas(events, [share / sum(shares) for share in shares])
    assert [read_histories(part) for part in parts] == expected
    # Whole times alone are cut, so that the future is never trained on.
    latest = [frame.time[frame.part == part].max() for part in (TRAIN, VALID) if (frame.part == part).any()]
    assert all(frame.time[frame.part > part].min() > time for part, time in enumerate(latest) if len(latest) == 2)
    seen = set(frame.user[frame.part == TRAIN])
    tokens = dataset.field2id_token["user_id"]
    assert {tokens[user] for user in np.flatnonzero(dataset.seen.users)} == seen
    assert seen < set(frame.user[frame.part == TEST]) | seen


def test_times_that_float32_would_merge_are_told_apart(tmp_path):
    # 1,300,000,000 is represented in steps of 128: all of these would be one time.
    events = [
        (f"u{user}", f"i{step}", 1_300_000_000.0 + 2 * step + user % 2) for user in range(8) for step in range(10)
    ]
    write_times(tmp_path, events)
    _, parts = parts_of(config_of(tmp_path, "times", **BY_TIME))
    assert [len(part) for part in parts] == [56, 8, 8]


def test_places_in_histories_are_no_times(tmp_path):
    for begin in (0, 1):
        write_times(
            tmp_path, [(f"u{u}", f"i{(u + n) % 9}", float(n + begin)) for u in range(20) for n in range(3 + u % 4)]
        )
        with pytest.raises(UserError, match="the timestamps of times are no times but places in each user's history"):
            parts_of(config_of(tmp_path, "times", **BY_TIME))
        # Leave-one-out needs the order alone, and says nothing of other users' times.
        dataset, _ = parts_of(config_of(tmp_path, "times"))
        assert overlap_note(dataset) is None
    users, times = np.array([0, 0, 1, 1, 1]), np.array([5.0, 6.0, 5.0, 6.0, 7.0])
    assert only_places(users, times) and only_places(users, np.full(5, 3.0))
    # Filters leave gaps. Two events at a moment, parts of a unit, or a beginning for each user are those of times.
    assert only_places(users, np.array([5.0, 6.0, 5.0, 6.0, 8.0]))
    for real in ([5, 6, 5, 5, 8], [5, 6, 5, 6.5, 8], [5, 6, 6, 7, 8]):
        assert not only_places(users, np.array(real, dtype=np.float64))


@pytest.mark.parametrize("dataset", ["Arts", "CrossFood", "CrossKitchen"])
def test_filtered_data_with_places_are_known(shared_dataset, dataset):
    with pytest.raises(UserError, match="are no times but places"):
        parts_of(config_of(shared_dataset, dataset, "Pop", **BY_TIME))


def test_a_split_by_time_that_leaves_nothing_to_test_says_so(tmp_path):
    # The latest tenth has one time, which stands with what is validated.
    events = [(f"u{user}", f"i{step}", 1000.0 * min(step + user, 6)) for user in range(10) for step in range(8)]
    write_times(tmp_path, events)
    with pytest.raises(UserError, match=r"TS.*leaves no event of times to be tested on: choose other shares"):
        parts_of(config_of(tmp_path, "times", **BY_TIME))


# ---- the same targets for all kinds of models


@pytest.mark.parametrize("split", MADE_HERE)
def test_all_kinds_of_models_have_the_same_targets(tmp_path, split):
    write_times(tmp_path, timed_events(3))
    found = {}
    for model in KINDS:
        dataset, (train, valid, test) = parts_of(config_of(tmp_path, "times", model, **MADE_HERE[split]))
        # A model without order has every training event, also those that are nobody's target.
        trained = None if model == "Pop" else targets(train)
        order = np.lexsort((test.inter_feat["item_id"].numpy(), test.inter_feat["user_id"].numpy()))
        found[model] = targets(valid), targets(test), sorted(test.history_lengths()[order]), trained
        if model == "Pop":
            assert len(train) == (dataset.events.parts == TRAIN).sum()
            assert Counter(dict(enumerate(dataset.seen.items))) == Counter(dict(enumerate(train.item_counts() > 0)))
    ours = found["PositionSASRec"]
    assert sum(ours[1].values()) > 10
    assert all(kind[:3] == ours[:3] and kind[3] in (None, ours[3]) for kind in found.values())


@pytest.mark.parametrize("split", MADE_HERE)
def test_parts_of_events_are_those_that_recbole_splits(tmp_path, split):
    write_times(tmp_path, timed_events(4))
    dataset, parts = parts_of(config_of(tmp_path, "times", **MADE_HERE[split]))
    assert [targets(part) for part in parts] == [targets_of_events(dataset, rows) for rows in part_rows(dataset.events)]


def targets_of_events(dataset, rows):
    users = dataset.field2id_token["user_id"][rows.users().numpy()]
    items = dataset.field2id_token["item_id"][rows.targets().items.numpy()]
    return Counter(zip(users.tolist(), items.tolist(), strict=True))


# ---- fixed splits


def by_loops(parts):
    """Returns the rows (user, history, item) of fixed parts, by plain loops over their events."""
    found = []
    for number in range(len(parts)):
        together = enumerate(itertools.chain(*parts[: number + 1]))
        known = in_time([(user, item, time, place) for place, (user, item, time) in together])
        rows, begin = [], sum(map(len, parts[:number]))
        for here, (user, item, _, place) in enumerate(known):
            history = tuple(other for who, other, _, _ in known[:here] if who == user)
            if place >= begin and history:
                rows.append((user, history, item))
        found.append(Counter(rows))
    return found


@pytest.mark.parametrize("cutting", ["by time", "at random"])
def test_plain_rows_keep_their_parts_and_see_no_later_part(tmp_path, cutting):
    events = timed_events(5)
    # The file is in no order of time; a random cut mixes the times of the parts.
    parts = cut(events) if cutting == "by time" else (events[:150], events[150:180], events[180:])
    write_plain(tmp_path, parts)
    _, found = parts_of(config_of(tmp_path, "plain", **BENCHMARK))
    assert [read_histories(part) for part in found] == by_loops([list(part) for part in parts])


@pytest.mark.parametrize("longest", [None, 3])
@pytest.mark.parametrize("shuffled", [False, True])
def test_rows_with_histories_are_taken_as_they_are(tmp_path, longest, shuffled):
    rows = histories(cut(timed_events(6)), longest)
    # The same history with two targets, one that departs from the rest, and a row without a history, which is none.
    rows[2] += [("u1", "i1 i2", "i3"), ("u1", "i1 i2", "i4"), ("u2", "i9 i9", "i9"), ("new", "", "i5")]
    rows[0] += [("u1", "i7 i7 i7", "i8"), ("u1", "i7", "i9"), ("only", "i1 i2 i3 i4 i5", "i6")]
    if shuffled:
        rows = [[part[place] for place in np.random.default_rng(0).permutation(len(part))] for part in rows]
    write_histories(tmp_path, rows)
    expected = [
        Counter((user, tuple(history.split()), item) for user, history, item in part if history) for part in rows
    ]
    for given in (
        {},
        {"load_col": {"inter": ["user_id", "item_id_list", "item_id"]}, "alias_of_item_id": ["item_id_list"]},
    ):
        dataset, found = parts_of(config_of(tmp_path, "lists", **BENCHMARK, **given))
        assert [read_histories(part) for part in found] == expected
    # Each user's events are there once, for what is served: those of 'only' are the history and the target.
    numbers = dataset.field2id_token["user_id"].tolist()
    only = dataset.sequences.items[slice(*dataset.sequences.offsets[numbers.index("only") :][:2])]
    assert dataset.field2id_token["item_id"][only.numpy()].tolist() == ["i1", "i2", "i3", "i4", "i5", "i6"]


def test_both_forms_of_a_fixed_split_are_the_same_split_for_every_kind(tmp_path):
    write_all(tmp_path)
    found = {}
    for name in ("plain", "lists"):
        for model in KINDS:
            _, (train, valid, test) = parts_of(config_of(tmp_path, name, model, **BENCHMARK))
            found[name, model] = targets(valid), targets(test), None if model == "Pop" else targets(train)
    ours = found["plain", "PositionSASRec"]
    # A late user's first event is in no file of histories but as a history, so that its second is tested in both.
    assert all(kind[:2] == ours[:2] and kind[2] in (None, ours[2]) for kind in found.values())


def test_rows_of_recboles_own_models_have_these_histories(tmp_path):
    write_all(tmp_path)
    for name, keys in SPLITS.items():
        _, parts = parts_of(config_of(tmp_path, name, "NARM", **keys))
        tokens = parts[2].item_tokens()
        given = read_histories(parts[2])
        longest = parts[2].max_item_list_len
        rows = parts[2].inter_feat
        padded = Counter(
            (user, tuple(tokens[item] for item in items[:length]), tokens[target])
            for user, items, length, target in zip(
                parts[2].user_tokens(),
                rows["item_id_list"].tolist(),
                rows["item_length"].tolist(),
                rows["item_id"].tolist(),
                strict=True,
            )
        )
        assert padded == Counter({(user, items[-longest:], item): n for (user, items, item), n in given.items()})


def test_filters_apply_to_plain_rows_and_are_refused_for_histories(tmp_path):
    parts = write_all(tmp_path)
    counts = Counter(user for part in parts for user, _, _ in part)
    _, found = parts_of(config_of(tmp_path, "plain", **BENCHMARK, user_inter_num_interval="[6,inf)"))
    assert {user for part in found for user in part.user_tokens()} <= {user for user, n in counts.items() if n >= 6}
    with pytest.raises(UserError, match=r"user_inter_num_interval cannot filter the rows of lists\.train\.inter"):
        make_dataset(config_of(tmp_path, "lists", **BENCHMARK, user_inter_num_interval="[6,inf)"))


def break_missing(folder):
    (folder / "plain" / "plain.valid.inter").unlink()


def break_header(folder):
    write_file(folder, "plain.test.inter", "user_id:token\titem_id:token", [("u1", "i1")])


def break_form(folder):
    write_file(folder, "lists.valid.inter", HEADER, [("u1", "i1", 3.0)])


def break_type(folder):
    path = folder / "lists" / "lists.train.inter"
    path.write_text(path.read_text().replace("item_id_list:token_seq", "item_id_list:token"))


def empty(name):
    def step(folder):
        write_file(folder, name, HEADER, [])

    return step


def alone(folder):
    write_file(folder, "plain.test.inter", HEADER, [("x1", "i1", 3.0), ("x2", "i2", 4.0)])


BROKEN = {
    "two names": ("plain", None, {"benchmark_filename": ["train", "test"]}, "name three files"),
    "one name twice": ("plain", None, {"benchmark_filename": ["train", "test", "test"]}, "name three files"),
    "a missing file": (
        "plain",
        break_missing,
        {},
        "no file .*plain.valid.inter.* in its folder are plain.test",
    ),
    "no such names": ("plain", None, {"benchmark_filename": ["a", "b", "c"]}, "no file .*plain.a.inter"),
    "no benchmark_filename": ("plain", None, {"benchmark_filename": None}, "such as --benchmark_filename=train,valid,"),
    "a column is missing": ("plain", break_header, {}, "plain.test.inter has no column 'timestamp'"),
    "two forms": ("lists", break_form, {}, "lists.valid.inter has no column 'item_id_list'"),
    "a type": ("lists", break_type, {}, "item_id_list is of type token: write it as item_id_list:token_seq"),
    "nothing to train on": ("plain", empty("plain.train.inter"), {}, "plain.train.inter has no rows"),
    "nothing to validate": ("plain", empty("plain.valid.inter"), {}, "plain.valid.inter has no rows"),
    "nothing to test": ("plain", empty("plain.test.inter"), {}, "plain.test.inter has no rows"),
    "first events alone": ("plain", alone, {}, "plain.test.inter has 2 events, none of which has an earlier one"),
    "another split": ("plain", None, BY_TIME, "benchmark_filename brings a split of its own"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_fixed_split_is_refused_in_one_line(tmp_path, case):
    name, prepare, changes, says = BROKEN[case]
    write_plain(tmp_path, cut(timed_events()))
    write_histories(tmp_path, histories(cut(timed_events())))
    if prepare is not None:
        prepare(tmp_path)
    for model in KINDS:
        with pytest.raises(UserError, match=says) as raised:
            parts_of(config_of(tmp_path, name, model, **{**BENCHMARK, **changes}))
        assert "\n" not in str(raised.value)


# ---- no leak


@pytest.mark.parametrize("form", ["plain", "lists"])
def test_other_test_events_change_nothing_in_training(tmp_path, form):
    """The parts are cut at random, so that test events lie between training events."""
    events = timed_events(7)
    train, valid, test = events[:150], events[150:180], events[180:]
    other = [(user, f"i{(int(item[1:]) + 5) % 24}", time + 1) for user, item, time in test]
    found = []
    for name, tested in (("one", test), ("two", other)):
        if form == "plain":
            write_plain(tmp_path / name, (train, valid, tested))
        else:
            write_histories(tmp_path / name, histories((train, valid, tested)))
        _, parts = parts_of(config_of(tmp_path / name, form, **BENCHMARK))
        found.append([read_histories(part) for part in parts])
    assert found[0][:2] == found[1][:2] and found[0][2] != found[1][2]


# ---- what is said


def test_the_overlap_of_leave_one_out_is_counted_as_by_loops():
    draw = np.random.default_rng(0)
    for _ in range(20):
        count = int(draw.integers(5, 40))
        times = np.sort(draw.integers(0, 50, count).astype(float))
        users, parts = draw.integers(0, 6, count), draw.integers(0, 3, count)
        found = overlap(Events(users, users, times, np.arange(count), parts))
        trained, tested = times[parts == TRAIN].tolist(), times[parts == TEST].tolist()
        if not trained or not tested or only_places(users, times):
            assert found is None
            continue
        later = [sum(time > test for time in trained) for test in tested]
        assert found == (len(tested), sum(n > 0 for n in later), pytest.approx(np.mean(later) / len(trained)))


def test_lines_say_what_is_odd(tmp_path):
    events = [("u1", "i1", 5.0), ("u1", "i1", 5.0), ("u1", "i2", 9.0), ("u1", "i1", 11.0), ("u2", "i1", 3.0)]
    events += [("u3", f"i{n}", 100.0 * n) for n in range(1, 6)] + [("u3", "i2", 200.0)] * 2
    write_file(tmp_path, "times.inter", HEADER, events)
    write_items(tmp_path, "times", 4)
    dataset, parts = parts_of(config_of(tmp_path, "times"))
    line = data_notes(dataset)
    assert line.startswith("times: 1 of 3 users have fewer than three events; 3 events repeat another one")
    assert line.endswith("; 2 of 5 items have no row in times.item; 1 of 4 items of times.item have no event")
    note = overlap_note(dataset)
    assert note.startswith("1 of 2 test events of times lie before training events of other users; on average ")
    assert "TS: [0.8, 0.1, 0.1]" in note and split_notes(dataset, list(map(len, parts))) == []


def test_lines_count_what_training_has_not_seen(tmp_path):
    train = [(f"u{user}", f"i{(user + n) % 6}", 100.0 * n + user) for user in range(8) for n in range(4)]
    valid = [(f"u{user}", "i1", 1000.0) for user in range(4)]
    test = [("u1", "i9", 2000.0), ("new", "i1", 2000.0), ("new", "i9", 2100.0), train[3]]
    write_plain(tmp_path, (train, valid, test))
    dataset, parts = parts_of(config_of(tmp_path, "plain", **BENCHMARK))
    lines = split_notes(dataset, list(map(len, parts)))
    assert lines == [
        "32 training, 4 validation and 4 test events; 1 test events have no earlier one of their user, and are not "
        "ranked; training has not seen 1 users and 1 items of the test",
        "1 validation or test events (user, item and time) are in the training file as well: a leak",
    ]
