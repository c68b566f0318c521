"""Properties that hold for any table and any events: what hypothesis thinks of, against slow and obvious references."""

import string

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recbole_idp.data.atomic import TYPES, read_atomic, write_atomic
from recbole_idp.data.item_text import read_item_texts
from recbole_idp.data.rows import PositionBatches, PrefixBatches
from recbole_idp.data.sequences import Sequences, Targets
from recbole_idp.errors import UserError
from recbole_idp.serving.users_file import UsersFile

# The folder of a test is used by all of its examples, which write the same file again.
FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=100)

# Any character but those that separate values, and halves of characters, which have no UTF-8 form.
TEXTS = st.text(st.characters(exclude_characters="\t\r\n\0", exclude_categories=["Cs"]), max_size=12)
NUMBERS = st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.integers(-(2**53), 2**53).map(float))
NAMES = st.text(string.ascii_letters + "_", min_size=1, max_size=6).filter(lambda name: not name.endswith("_id"))
VALUES = {"token": TEXTS, "token_seq": TEXTS, "float": st.one_of(NUMBERS, st.just(float("nan"))), "float_seq": TEXTS}


@st.composite
def tables(draw):
    """Draws columns with their types, one to four of them and one to eight rows."""
    types = draw(st.dictionaries(NAMES, st.sampled_from(TYPES), min_size=1, max_size=4))
    rows = draw(st.integers(1, 8))
    columns = {name: draw(st.lists(VALUES[kind], min_size=rows, max_size=rows)) for name, kind in types.items()}
    return pd.DataFrame(columns), types


@FOLDER
@given(tables(), st.sampled_from([b"\n", b"\r\n"]), st.booleans(), st.booleans())
def test_any_table_that_is_written_is_read_back_equal(tmp_path, table, line_end, marked, ended):
    frame, types = table
    path = tmp_path / "a.item"
    write_atomic(path, frame, types)
    content = path.read_bytes()
    lines = content.removesuffix(b"\n").split(b"\n")
    if lines[-1] == b"" and len(types) == 1:
        # An empty line at the end is no row: with a single column it cannot be told from one that is empty.
        return
    other = (b"\xef\xbb\xbf" if marked else b"") + line_end.join(lines) + (line_end if ended else b"")
    path.write_bytes(other)
    read = read_atomic(path)
    assert read.attrs["types"] == types and list(read.columns) == list(types)
    for name, kind in types.items():
        if kind == "float":
            np.testing.assert_array_equal(read[name].to_numpy(), frame[name].to_numpy())
        else:
            assert read[name].tolist() == frame[name].tolist()


HEADERS = [b"user_id:token\titem_id:token\ttimestamp:float\n", b"item_id:token\ttitle:token_seq\n", b"a:float\n", b""]
PIECES = st.one_of(
    st.sampled_from(
        [b"\t", b"\n", b"\r", b"\r\n", b"\0", b'"', b"'", b":", b"nan", b"1e999", b"\xff", b"\xef\xbb\xbf"]
    ),
    st.sampled_from(HEADERS),
    st.binary(max_size=6),
    st.integers(-99, 99).map(lambda number: str(number).encode()),
)


@FOLDER
@given(st.sampled_from(HEADERS), st.lists(PIECES, max_size=12))
def test_any_bytes_are_read_or_refused_in_one_line(tmp_path, header, pieces):
    for name, read in {
        "a.inter": read_atomic,
        "a.item": read_item_texts,
        "users": lambda path: list(UsersFile(path)),
    }.items():
        path = tmp_path / name
        path.write_bytes(header + b"".join(pieces))
        try:
            read(path)
        except UserError as error:
            assert "\n" not in str(error) and name in str(error)


@FOLDER
@given(tables(), st.data())
def test_a_table_of_which_a_piece_is_missing_is_read_or_refused_in_one_line(tmp_path, table, data):
    path = tmp_path / "a.inter"
    write_atomic(path, *table)
    content = path.read_bytes()
    start = data.draw(st.integers(0, len(content)))
    path.write_bytes(content[:start] + content[data.draw(st.integers(start, len(content))) :])
    try:
        read_atomic(path)
    except UserError as error:
        assert "\n" not in str(error) and str(path) in str(error)


# ---- sequences

EVENTS = st.lists(
    st.tuples(st.integers(0, 5), st.integers(1, 30), st.one_of(st.integers(-3, 3), NUMBERS)), min_size=1, max_size=40
)


def by_hand(events):
    """Returns the items of each user, sorted by time; events at one time in the order in which they were given."""
    found = [[] for _ in range(max(user for user, _, _ in events) + 1)]
    for user, item, _ in sorted(events, key=lambda event: event[2]):
        found[user].append(item)
    return found


def sequences_of(events):
    users, items, times = zip(*events, strict=True)
    return Sequences.from_events(users, items, times)


def targets_of(sequences, chosen):
    """Returns the events behind each user's first that are chosen, as targets."""
    starts = torch.repeat_interleave(sequences.offsets[:-1], sequences.lengths())
    index = torch.arange(sequences.n_events)
    keep = (index > starts) & torch.tensor([bool(chosen(int(place))) for place in index])
    return Targets(sequences, starts[keep], index[keep])


@given(EVENTS)
@settings(deadline=None)
def test_sequences_are_sorted_by_time_and_ties_keep_their_order(events):
    sequences, expected = sequences_of(events), by_hand(events)
    assert sequences.lengths().tolist() == [len(items) for items in expected]
    assert [part.tolist() for part in sequences.items.split(sequences.lengths().tolist())] == expected


@given(EVENTS, st.integers(1, 6), st.sets(st.integers(0, 40)))
@settings(deadline=None)
def test_targets_have_the_latest_events_before_them_and_no_others(events, longest, left_out):
    sequences = sequences_of(events)
    targets = targets_of(sequences, lambda place: place not in left_out)
    expected, place = [], 0
    for items in by_hand(events):
        for end, item in enumerate(items):
            if end and place not in left_out:
                expected.append((item, items[max(0, end - longest) : end]))
            place += 1
    if not expected:
        assert len(targets) == 0
        return
    histories, lengths = targets.histories(torch.arange(len(targets)), longest)
    assert histories.shape[1] == int(lengths.max()) <= longest
    found = [
        (target, row[:length])
        for target, row, length in zip(targets.items.tolist(), histories.tolist(), lengths.tolist(), strict=True)
    ]
    assert found == expected
    assert all(not any(row[length:]) for row, length in zip(histories.tolist(), lengths.tolist(), strict=True))


@pytest.mark.parametrize("rows", [PositionBatches, PrefixBatches])
@given(events=EVENTS, longest=st.integers(1, 6), size=st.integers(1, 20), seed=st.integers(0, 99))
@settings(deadline=None)
def test_an_epoch_has_each_target_once_after_what_came_before_it(rows, events, longest, size, seed):
    # Each event an item of its own, so that what stands before it says which one it is.
    ordered = [(user, number, time) for number, (user, _, time) in enumerate(events, 1)]
    targets = targets_of(sequences_of(ordered), lambda place: True)
    if len(targets) == 0:
        return
    before = {item: items[place - 1] for items in by_hand(ordered) for place, item in enumerate(items) if place}
    seen = []
    for batch in rows(targets, longest, size, torch.Generator().manual_seed(seed)):
        for items, wanted in batch.parts:
            here = wanted > 0
            assert items.shape[1] <= longest
            seen += wanted[here].tolist()
            assert [before[item] for item in wanted[here].tolist()] == items[here].tolist()
    assert sorted(seen) == sorted(targets.items.tolist())
