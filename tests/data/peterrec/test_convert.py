"""Text files of PeterRec and Conure become atomic files whose users are the same people, on one clock."""

import gzip

import pytest

from recbole_idp.data.atomic import read_atomic
from recbole_idp.data.folders import clock_of
from recbole_idp.data.peterrec.convert import convert_conure, convert_peterrec
from tests.support.commands import refusal

PRETRAINING = "0,0,0,15,208,3301,77\n0,15,15,92,4,610,88\n77,3301,92,5,6,7,208\n"
FINE_TUNING = "0,0,15,208,3301,77,,12\n0,15,92,4,610,88,,7,31\n77,3301,92,5,6,7,,12,40,2\n"
LABELS = "0,0,15,208,3301,77,,1\n0,15,92,4,610,88,,2\n"


def write(path, text):
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def events(root, name):
    return [(user, item, int(time)) for user, item, time in read_atomic(root / name / f"{name}.inter").to_numpy()]


@pytest.mark.parametrize("suffix", [".txt", ".gz"])
def test_a_file_for_pre_training(tmp_path, suffix):
    summary = convert_peterrec(write(tmp_path / f"a{suffix}", PRETRAINING), "P", tmp_path / "out")
    found = events(tmp_path / "out", "P")
    assert found[:4] == [("1", "15", 0), ("1", "208", 1), ("1", "3301", 2), ("1", "77", 3)]
    assert [item for user, item, _ in found if user == "2"] == ["15", "15", "92", "4", "610", "88"]
    assert [time for user, _, time in found if user == "3"] == list(range(7))
    assert (summary.users, summary.lines, summary.interactions, summary.empty, summary.unknown) == (3, 3, 17, 0, 0)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["P"]


def test_targets_that_are_items_come_after_the_source(tmp_path):
    summary = convert_peterrec(write(tmp_path / "a", FINE_TUNING), "P", tmp_path / "out")
    source, targets = (events(tmp_path / "out", name) for name in ("P", "P-target"))
    assert [item for _, item, _ in targets] == ["12", "7", "31", "12", "40", "2"]
    assert {user for user, _, _ in source} == {user for user, _, _ in targets} == {"1", "2", "3"}
    for user in "123":
        last = max(time for name, _, time in source if name == user)
        times = [time for name, _, time in targets if name == user]
        assert times == list(range(last + 1, last + 1 + len(times)))
    assert summary.targets == {"P-target": 6}
    assert clock_of(tmp_path / "out" / "P") == clock_of(tmp_path / "out" / "P-target") == "order of P"


def test_targets_that_are_classes(tmp_path):
    summary = convert_peterrec(write(tmp_path / "a", LABELS), "P", tmp_path / "out", labels="age")
    users = read_atomic(tmp_path / "out" / "P" / "P.user")
    assert users.attrs["types"] == {"user_id": "token", "age": "token"}
    assert users.to_numpy().tolist() == [["1", "1"], ["2", "2"]]
    assert len(events(tmp_path / "out", "P")) == 9 and summary.labelled == {"age": 2}
    assert "2 users have a class of age" in str(summary)


def test_zeros_are_padding_and_an_empty_history_is_none(tmp_path):
    summary = convert_peterrec(write(tmp_path / "a", "0,5,0,6,,9\n0,0,0,0,,8\n"), "P", tmp_path / "out")
    assert events(tmp_path / "out", "P") == [("1", "5", 0), ("1", "6", 1)]
    assert events(tmp_path / "out", "P-target") == [("1", "9", 2), ("2", "8", 0)]
    assert (summary.users, summary.empty, summary.unknown) == (2, 1, 1)
    assert "1 users have no source id" in str(summary) and "1 zeros" in str(summary)


def test_lines_with_one_history_are_one_user_where_they_should_be(tmp_path):
    path = write(tmp_path / "a", "0,5,6,,9\n7,5,6,,8\n5,6,,4,3\n0,0,0,,1\n0,0,0,,2\n")
    summary = convert_peterrec(path, "P", tmp_path / "out", users="history")
    assert events(tmp_path / "out", "P") == [("1", "5", 0), ("1", "6", 1), *[("2", i, t) for t, i in enumerate("756")]]
    expected = [("1", "9", 2), ("2", "8", 3), ("1", "4", 3), ("1", "3", 4), ("3", "1", 0), ("4", "2", 0)]
    assert events(tmp_path / "out", "P-target") == expected
    assert (summary.lines, summary.users, summary.interactions) == (5, 4, 5)
    convert_peterrec(path, "L", tmp_path / "out")
    assert {user for user, _, _ in events(tmp_path / "out", "L-target")} == set("12345")


def conure(tmp_path, **options):
    """Converts a list of tasks that is written to files."""
    texts = {"pre": PRETRAINING, "clicks": FINE_TUNING, "age": LABELS, "gender": LABELS.splitlines()[1] + "\n"}
    files = {name: str(write(tmp_path / name, text)) for name, text in texts.items()}
    return convert_conure(
        "C",
        tmp_path / "out",
        pretraining=files["pre"],
        targets={"clicks": files["clicks"], "likes": files["clicks"]},
        labels={"age": files["age"], "gender": files["gender"]},
        **options,
    )


def test_tasks_on_one_vocabulary_share_their_users(tmp_path):
    summary = conure(tmp_path)
    root = tmp_path / "out"
    assert sorted(path.name for path in root.iterdir()) == ["C", "C-clicks", "C-likes"]
    source = events(root, "C")
    # The first lines of the files are one user; the second ones differ by an item.
    assert {user for user, _, _ in source} == {"1", "2", "3", "4", "5"}
    assert events(root, "C-clicks") == events(root, "C-likes")
    assert [user for user, _, _ in events(root, "C-clicks")] == ["1", "4", "4", "5", "5", "5"]
    users = read_atomic(root / "C" / "C.user")
    assert users.to_numpy().tolist() == [["1", "1", ""], ["4", "2", "2"]]
    assert (summary.users, summary.lines) == (5, 12)
    assert {clock_of(path) for path in root.iterdir()} == {"order of C"}


def test_each_line_may_be_a_user(tmp_path):
    summary = conure(tmp_path, users="line")
    users = {user for user, _, _ in events(tmp_path / "out", "C")}
    assert users == {"1", "2", "3", *(f"{task}-{n}" for task in ("clicks", "likes") for n in (1, 2, 3))} | {
        "age-1", "age-2", "gender-1"
    }  # fmt: skip
    assert summary.users == summary.lines == 12


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("1,2,3\n1,2,,3\n", 2, "has targets after two commas"),
        ("1,2,,3\n1,2,3\n", 2, "has no two commas"),
        ("1,2,,3\n1,2,,\n", 2, "an id is missing"),
        ("1,2,,3\n,,3\n", 2, "an id is missing"),
        ("1,2,,3\n1,2,,3,,4\n", 2, "an id is missing"),
        ("1,2,3\n1,2,\n", 2, "an id is missing"),
        ("1,2,3\n1,x,3\n", 2, "'x' is no id"),
        ("1,2,3\n1,-2,3\n", 2, "'-2' is no id"),
        ("1,2,3\n1,2.0,3\n", 2, "'2.0' is no id"),
        ("1,2,3\n1,²,3\n", 2, "is no id"),
        ("1,2,3\n1, 2,3\n", 2, "is no id"),
        (f"1,2,3\n1,{'9' * 400},3\n", 2, "is no id"),
        ("1,2,,3\n1,2,,0\n", 2, "a target is 0"),
        ("0,0\n0,0\n", None, "no source id but 0"),
        ("\n\n", None, "is empty"),
    ],
)
def test_malformed_lines_are_named(tmp_path, text, line, says):
    path = write(tmp_path / "a", text)
    refused = refusal(convert_peterrec, path, "P", tmp_path / "out")
    assert says in refused and refused.startswith(f"{path}, line {line}" if line else str(path))
    assert not (tmp_path / "out").exists() or not any((tmp_path / "out").iterdir())


def test_wrong_arguments(tmp_path):
    out = tmp_path / "out"
    plain, tuned = write(tmp_path / "a", PRETRAINING), write(tmp_path / "b", FINE_TUNING)
    assert "no file" in refusal(convert_peterrec, tmp_path / "none", "P", out)
    assert "has no targets" in refusal(convert_peterrec, plain, "P", out, labels="age")
    assert "has 2 classes of age" in refusal(convert_peterrec, tuned, "P", out, labels="age")
    assert "cannot name a column" in refusal(convert_peterrec, tuned, "P", out, labels="age:token")
    assert "cannot name a column" in refusal(convert_peterrec, tuned, "P", out, labels="user_id")
    assert "no data set's name" in refusal(convert_peterrec, tuned, "a/b", out)
    assert "needs files" in refusal(convert_conure, "C", out)
    assert "among the targets and the labels" in refusal(
        convert_conure, "C", out, targets={"a": str(tuned)}, labels={"a": str(tuned)}
    )
    assert "no data set's name" in refusal(convert_conure, "C", out, targets={"../a": str(tuned)})
    for wrong in ({"a": 1}, {"": str(tuned)}, {1: str(tuned)}, {"a": None}):
        assert "write a name and a file" in refusal(convert_conure, "C", out, targets=wrong)
    assert "line 1 has no two commas" in refusal(convert_conure, "C", out, targets={"a": str(plain)})
    assert f"{tuned}, line 1 has targets" in refusal(convert_conure, "C", out, pretraining=str(tuned))
    write(tmp_path / "c", "1,2,,1\n1,2,,2\n")
    line = refusal(convert_conure, "C", out, labels={"age": str(tmp_path / "c")})
    assert "line 2: age is 2, and 1 in an earlier line" in line and "--users=line" in line
    (tmp_path / "d").write_bytes(b"1,2,3\n1,\xff,3\n")
    assert "line 2: this is no UTF-8 text" in refusal(convert_peterrec, tmp_path / "d", "P", out)
    assert not out.exists() or not any(out.iterdir())
    (out / "P-target").mkdir(parents=True)
    assert "P-target exists already" in refusal(convert_peterrec, tuned, "P", out)
    assert [path.name for path in out.iterdir()] == ["P-target"]
