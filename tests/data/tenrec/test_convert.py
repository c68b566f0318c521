"""Tenrec's csv files of every form become atomic files, in the order of the file."""

import gzip
import json
import random

import pytest

from recbole_idp.data.atomic import read_atomic
from recbole_idp.data.folders import clock_of
from recbole_idp.data.tenrec.convert import convert_tenrec
from recbole_idp.data.tenrec.parts import Parts
from recbole_idp.data.tenrec.table import read_layout, read_rows
from tests.support.commands import refusal

VIDEO = "user_id,item_id,click,follow,like,share,video_category,watching_times,gender,age"
CTR = VIDEO + "".join(f",hist_{place}" for place in range(1, 11))
ARTICLE = (
    "user_id,item_id,click,gender,age,exposure_count,click_count,like_count,comment_count,read_percentage,item_score1,"
    "item_score2,category_second,category_first,item_score3"
)
LONG_ARTICLE = ARTICLE + ",read,read_time,share,like,follow,favorite"
COLD = LONG_ARTICLE.replace("exposure_count,", "")
TASK_1 = "user_id,item_id,click,gender,age,read,share,like,follow,favorite"
TASK_3 = "user_id,item_id,click,gender,age"
FORMS = {
    "video": VIDEO,
    "ctr": CTR,
    "QB article": ARTICLE,
    "QK article": LONG_ARTICLE,
    "cold": COLD,
    "task_1": TASK_1,
    "task_3": TASK_3,
}
# User, item, click, gender and age; user 7 is there in two places.
EVENTS = [
    (7, 500, 1, 1, 3),
    (7, 501, 0, 1, 3),
    (7, 502, 1, 1, 3),
    (4, 500, 1, 0, 0),
    (4, 503, 1, 0, 0),
    (7, 400, 1, 1, 3),
]
EXPECTED = {"7": ["500", "502", "400"], "4": ["500", "503"]}


def row(header, **values):
    """Returns a row with these values, and others for the columns that are not named."""
    others = {"video_category": "1", "category_first": "12", "category_second": "1207", "item_score1": "0.25"}
    return ",".join(str(values.get(name, others.get(name, 0))) for name in header.split(","))


def rows_of(header, events=EVENTS):
    names = ("user_id", "item_id", "click", "gender", "age")
    return [row(header, **dict(zip(names, event, strict=True))) for event in events]


def write(path, header, rows, end="\n"):
    content = "".join(line + end for line in (header, *rows)).encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def histories(folder):
    """Returns the items of each user by time, which counts from 0."""
    frame = read_atomic(folder / f"{folder.name}.inter")
    assert list(frame.columns) == ["user_id", "item_id", "timestamp"]
    found = {}
    for user, item, time in frame.to_numpy().tolist():
        assert time == len(found.setdefault(user, []))
        found[user].append(item)
    return found


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz"])
@pytest.mark.parametrize("form", FORMS)
def test_every_form(tmp_path, form, suffix):
    header = FORMS[form]
    path = write(tmp_path / f"data{suffix}", header, rows_of(header))
    summary = convert_tenrec(path, "T", tmp_path / "out")
    folder = tmp_path / "out" / "T"
    assert histories(folder) == EXPECTED
    users = read_atomic(folder / "T.user")
    assert users.attrs["types"] == {"user_id": "token", "age": "token", "gender": "token"}
    assert users.to_numpy().tolist() == [["4", "", ""], ["7", "3", "1"]]
    categories = [name for name in ("video_category", "category_first", "category_second") if name in header]
    assert (folder / "T.item").exists() == bool(categories)
    if categories:
        items = read_atomic(folder / "T.item").set_index("item_id")
        assert list(items) == categories and items.index.tolist() == ["400", "500", "502", "503"]
        if "category_first" in header:
            assert items.loc["503"].tolist() == ["12", "1207"]
    assert (summary.rows, summary.users, summary.items, summary.interactions) == (6, 2, 4, 5)
    assert (summary.duplicates, summary.filtered) == (0, 0)
    assert "no times" in str(summary)
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        ["source.json", "T.inter", "T.user", *(["T.item"] if categories else [])]
    )
    assert clock_of(folder) == "order of T"


def test_the_columns_hist_are_not_read(tmp_path):
    """They are the user's first clicks, which may lie in the future of the row."""
    rows = [row(CTR, user_id=1, item_id=5, click=1, hist_1=77), row(CTR, user_id=1, item_id=77, click=1)]
    convert_tenrec(write(tmp_path / "a.csv", CTR, rows), "T", tmp_path)
    assert histories(tmp_path / "T") == {"1": ["5", "77"]}


def test_rows_of_another_behaviour(tmp_path):
    rows = [row(VIDEO, user_id=1, item_id=item, click=1, like=int(item > 7)) for item in (9, 7, 8)]
    path = write(tmp_path / "a.csv", VIDEO, rows)
    convert_tenrec(path, "liked", tmp_path, behaviour="like")
    assert histories(tmp_path / "liked") == {"1": ["9", "8"]}
    line = refusal(convert_tenrec, path, "read", tmp_path, behaviour="read")
    assert "line 1: there is no column read" in line and "video_category" in line
    line = refusal(convert_tenrec, path, "shared", tmp_path, behaviour="share")
    assert "none of its 3 rows has share = 1" in line


def test_equal_rows_are_dropped_and_rows_that_differ_are_kept(tmp_path):
    one = row(VIDEO, user_id=1, item_id=5, click=1)
    other = row(VIDEO, user_id=1, item_id=5, click=1, watching_times=2)
    second = row(VIDEO, user_id=2, item_id=5, click=1)
    shown = row(VIDEO, user_id=2, item_id=6)
    rows = [one, one, other, second, one, shown, shown, second]
    summary = convert_tenrec(write(tmp_path / "a.csv", VIDEO, rows), "T", tmp_path)
    assert histories(tmp_path / "T") == {"1": ["5", "5"], "2": ["5"]}
    assert (summary.duplicates, summary.interactions) == (3, 3)


def test_items_with_few_and_with_many_events(tmp_path):
    rows = [row(VIDEO, user_id=user, item_id=item, click=1) for item in (1, 2, 3) for user in range(item)]
    rows.append(rows[0])
    path = write(tmp_path / "a.csv", VIDEO, rows)
    summary = convert_tenrec(path, "two", tmp_path, min_item_events=2, max_item_events=2)
    assert histories(tmp_path / "two") == {"0": ["2"], "1": ["2"]}
    # The repeated row of item 1 does not count twice.
    assert (summary.items, summary.filtered, summary.duplicates) == (1, 4, 1)
    assert "nothing is left" in refusal(convert_tenrec, path, "none", tmp_path, min_item_events=4)
    assert "is more than" in refusal(convert_tenrec, path, "none", tmp_path, min_item_events=4, max_item_events=3)
    assert not (tmp_path / "none").exists()
    assert json.loads((tmp_path / "two" / "source.json").read_text())["max_item_events"] == 2


def test_facts_that_are_missing_or_contradict_each_other(tmp_path):
    rows = [
        row(VIDEO, user_id=1, item_id=5, click=1, video_category="\\N", gender=0, age=0),
        row(VIDEO, user_id=1, item_id=6, click=1, video_category="\\N", gender=2, age=4),
        row(VIDEO, user_id=2, item_id=5, click=1, video_category=3, gender=1, age=0),
        row(VIDEO, user_id=2, item_id=7, click=1, video_category=0, gender=2, age=""),
        row(VIDEO, user_id=3, item_id=8, click="\\N", video_category=9, gender=2, age=""),
    ]
    summary = convert_tenrec(write(tmp_path / "a.csv", VIDEO, rows), "T", tmp_path)
    assert read_atomic(tmp_path / "T" / "T.user").to_numpy().tolist() == [["1", "4", "2"], ["2", "", "1"]]
    assert read_atomic(tmp_path / "T" / "T.item").to_numpy().tolist() == [["5", "3"], ["6", ""], ["7", "0"]]
    assert "1 users have several values of gender, of which one is kept" in summary.notes
    assert not any("age" in note or "video_category" in note for note in summary.notes)


def test_blocks_and_parts_change_nothing(tmp_path, monkeypatch):
    """A file of many blocks and parts, against a plain loop."""
    draw = random.Random(3)
    rows = [
        row(VIDEO, user_id=draw.randrange(30), item_id=draw.randrange(50), click=draw.randrange(2), age=2)
        for _ in range(3000)
    ]
    expected, seen = {}, set()
    for line in rows:
        user, item, click, *_ = line.split(",")
        if click == "1" and line not in seen:
            seen.add(line)
            expected.setdefault(user, []).append(item)
    monkeypatch.setattr("recbole_idp.data.tenrec.parts._PART_BYTES", 1 << 14)
    monkeypatch.setattr("recbole_idp.data.tenrec.table.BLOCK_BYTES", 1 << 10)
    path = write(tmp_path / "a.csv", VIDEO, rows)
    assert len(Parts(tmp_path, ["user_id"], path.stat().st_size)) > 10
    assert sum(1 for _ in read_rows(read_layout(path, "click"))) > 30
    summary = convert_tenrec(path, "T", tmp_path / "out")
    assert histories(tmp_path / "out" / "T") == expected
    assert summary.duplicates == sum(line.split(",")[2] == "1" for line in rows) - len(seen) > 100


def test_line_ends_of_windows_and_numbers_with_a_point(tmp_path):
    rows = [row(VIDEO, user_id="1.0", item_id=item, click="1.0", age="3.0") for item in (5, 6)]
    convert_tenrec(write(tmp_path / "a.csv", VIDEO, rows, end="\r\n"), "T", tmp_path)
    assert histories(tmp_path / "T") == {"1": ["5", "6"]}
    assert read_atomic(tmp_path / "T" / "T.user").to_numpy().tolist() == [["1", "3", ""]]


GOOD = row(VIDEO, user_id=1, item_id=5, click=1)
BIG = "9" * 400


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (GOOD + ",1", "has 11 of 10 fields"),
        (GOOD.rpartition(",")[0], "has 9 of 10 fields"),
        ("", "has 1 of 10 fields"),
        (row(VIDEO, user_id="u1", item_id=5, click=1), "user_id is 'u1'"),
        (row(VIDEO, user_id="", item_id=5, click=1), "user_id is ''"),
        (row(VIDEO, user_id=-3, item_id=5, click=1), "user_id is '-3'"),
        (row(VIDEO, user_id="1.5", item_id=5, click=1), "user_id is '1.5'"),
        (row(VIDEO, user_id=BIG, item_id=5, click=1), "user_id is '999"),
        (row(VIDEO, user_id=1, item_id="\\N", click=1), "item_id is '\\\\N'"),
        (row(VIDEO, user_id=1, item_id="nan", click=1), "item_id is 'nan'"),
        (row(VIDEO, user_id=1, item_id=5, click=7), "click is '7', neither 0 nor 1"),
        (row(VIDEO, user_id=1, item_id=5, click="yes"), "click is 'yes'"),
        (row(VIDEO, user_id=1, item_id=5, click=1, age="old"), "age is 'old'"),
        (row(VIDEO, user_id=1, item_id=5, click=1, age=-1), "age is '-1'"),
        (row(VIDEO, user_id=1, item_id=5, click=1, age="inf"), "age is 'inf'"),
        (row(VIDEO, user_id=1, item_id=5, click=1, video_category="0.5"), "video_category is '0.5'"),
    ],
)
def test_a_malformed_row_is_named(tmp_path, line, says, monkeypatch):
    monkeypatch.setattr("recbole_idp.data.tenrec.table.BLOCK_BYTES", 100)
    path = write(tmp_path / "a.csv", VIDEO, [GOOD] * 30 + [line] + [GOOD] * 30)
    refused = refusal(convert_tenrec, path, "T", tmp_path / "out")
    assert refused.startswith(f"{path}, line 32") and says in refused
    assert not (tmp_path / "out").exists() or not any((tmp_path / "out").iterdir())


def test_wrong_files(tmp_path):
    path = tmp_path / "a.csv"

    def fails(expected, content, name="T"):
        path.write_bytes(content)
        assert expected in refusal(convert_tenrec, path, name, tmp_path / "out")

    assert "no file" in refusal(convert_tenrec, tmp_path / "none.csv", "T", tmp_path / "out")
    fails("is empty", b"\n\n")
    fails("no column user_id and no item_id and no click", b"1,10,1\n2,10,1\n")
    fails("there is no column click", b"user_id,item_id,like\n1,2,1\n")
    fails("the column click occurs twice", b"user_id,item_id,click,click\n1,2,1,1\n")
    fails("nothing follows its first line", TASK_3.encode() + b"\n")
    fails("carriage returns alone", TASK_3.encode() + b"\r1,2,1,1,1\r")
    fails("line 3: this is no UTF-8 text", TASK_3.encode() + b"\n1,2,1,1,1\n1,\xff,1,1,1\n")
    fails("damaged gzip archive", gzip.compress(TASK_3.encode() + b"\n" + b"1,2,1,1,1\n" * 9)[:-9])
    fails("is no data set's name", TASK_3.encode() + b"\n1,2,1,1,1\n", name="../T")
    assert not (tmp_path / "out").exists() or not any((tmp_path / "out").iterdir())
    path.write_text(TASK_3 + "\n1,2,1,1,1\n")
    convert_tenrec(path, "T", tmp_path / "out")
    assert "exists already" in refusal(convert_tenrec, path, "T", tmp_path / "out")


def test_stages_are_told(tmp_path, capsys):
    convert_tenrec(write(tmp_path / "a.csv", TASK_3, rows_of(TASK_3)), "T", tmp_path)
    lines = capsys.readouterr().out.splitlines()
    assert [line[:8] for line in lines] == ["[1 of 3]", "[2 of 3]", "[3 of 3]"]
    assert "5 of 6 rows of a.csv have click = 1" in lines[0]


def test_ids_keep_all_their_digits_or_are_refused(tmp_path):
    """Beyond 2^53 pandas merges ids that are written with a point."""
    large = 2**53 - 1
    convert_tenrec(write(tmp_path / "a.csv", TASK_3, [f"{large},{large - 1},1,1,1"]), "T", tmp_path)
    assert histories(tmp_path / "T") == {str(large): [str(large - 1)]}
    for number in (f"{2**53}", f"{2**53 + 1}.0", f"{2**63}", "1e30"):
        path = write(tmp_path / "b.csv", TASK_3, [f"{number},1,1,1,1"])
        assert "below 2^53" in refusal(convert_tenrec, path, "U", tmp_path)
