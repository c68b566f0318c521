"""NineRec's files become atomic files: pairs in either order, sequences, two titles, covers."""

import gzip
import json

import pytest

from recbole_idp.data.atomic import read_atomic
from recbole_idp.data.folders import clock_of
from recbole_idp.data.item_text import read_item_texts
from recbole_idp.data.ninerec.convert import convert_ninerec
from tests.support.commands import refusal
from tests.support.logs import JPG, histories, write_covers

LINES = ["u101\tv17 v8 v930 v44 v6", "u102\tv8 v51 v77 v12 v9 v300", "u103\tv930 v2 v17 v64 v5"]
PAIRS = [
    "v8,u101,1650000400",
    "v17,u101,1650000001",
    "v930,u101,1650007200",
    "v8,u102,1650000350",
    "v51,u102,1650000990",
]
ITEMS = (
    'v17,简单的番茄炒蛋,"Easy tomato and eggs, in ten minutes"\n'
    "v8,街舞入门第一课,Street dance for beginners: lesson one\n"
    'v930,"老电影,新配音",\n'
    "v44,,A piano\n"
    "v8,another,row\n"
)
BY_TIME = {"u101": ["v17", "v8", "v930"], "u102": ["v8", "v51"]}


def write(path, text):
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


@pytest.mark.parametrize("suffix", [".tsv", ".tsv.gz"])
@pytest.mark.parametrize("header", ["", "user_id\titem_ids\n"])
def test_sequences(tmp_path, suffix, header):
    path = write(tmp_path / f"QB_behaviour{suffix}", header + "\n".join(LINES) + "\n")
    summary = convert_ninerec(path, name="QB", output=tmp_path / "out")
    expected = {line.split("\t")[0]: line.split("\t")[1].split() for line in LINES}
    assert histories(tmp_path / "out" / "QB") == (expected, "places")
    assert clock_of(tmp_path / "out" / "QB") == "order of QB"
    assert (summary.users, summary.interactions, summary.malformed) == (3, 16, 0)
    assert not (tmp_path / "out" / "QB" / "QB.item").exists() and summary.without_text is None


@pytest.mark.parametrize("milliseconds", [False, True])
@pytest.mark.parametrize("header", [False, True])
@pytest.mark.parametrize("user_first", [False, True])
def test_pairs_in_either_order(tmp_path, user_first, header, milliseconds):
    rows = [line.split(",") for line in [*PAIRS, PAIRS[0]]]
    rows = [[item, user, time + "123" if milliseconds else time] for item, user, time in rows]
    rows = [[user, item, time] if user_first else [item, user, time] for item, user, time in rows]
    names = ["user_id", "item_id", "timestamp"] if user_first else ["item", "user", "time"]
    lines = [",".join(row) for row in ([names] if header else []) + rows]
    summary = convert_ninerec(write(tmp_path / "a.csv", "\n".join(lines)), name="N", output=tmp_path)
    found, times = histories(tmp_path / "N")
    assert found == BY_TIME and clock_of(tmp_path / "N") is None
    assert [int(time) for time in times["u101"]] == [1650000001, 1650000400, 1650007200]
    assert summary.duplicates == 1
    assert f"columns of a.csv: {'user, item' if user_first else 'item, user'}, timestamp" in str(summary)


def test_pairs_without_times_keep_the_order_of_the_file(tmp_path):
    lines = [line.rpartition(",")[0] for line in PAIRS]
    convert_ninerec(write(tmp_path / "a.csv", "\n".join(lines)), name="N", output=tmp_path)
    assert histories(tmp_path / "N") == ({"u101": ["v8", "v17", "v930"], "u102": ["v8", "v51"]}, "places")


def test_ids_that_do_not_tell_the_user(tmp_path):
    path = write(tmp_path / "a.csv", "17,101,1650000001\n8,101,1650000400\n")
    line = refusal(convert_ninerec, path, name="N", output=tmp_path / "out")
    assert "which column is the user" in line and "--columns=[item,user,timestamp]" in line
    convert_ninerec(path, ["item", "user", "timestamp"], name="N", output=tmp_path / "out")
    assert histories(tmp_path / "out" / "N")[0] == {"101": ["17", "8"]}
    line = refusal(convert_ninerec, path, ["item", "user"], name="M", output=tmp_path / "out")
    assert "has 3 fields, and its columns are item, user" in line
    line = refusal(convert_ninerec, path, ["item", "item", "timestamp"], name="M", output=tmp_path / "out")
    assert "--columns" in line


def test_titles_and_covers(tmp_path):
    pairs, items = write(tmp_path / "a.csv", "\n".join(PAIRS)), write(tmp_path / "items.csv", ITEMS)
    covers = write_covers(tmp_path / "DS_cover", ["v17.jpg", "v8.PNG", "v999.jpg", "v51.txt"])
    (covers / "v930.jpg").symlink_to(items)
    summary = convert_ninerec(pairs, name="N", output=tmp_path / "out", items=items, covers=covers)
    folder = tmp_path / "out" / "N"
    rows = read_atomic(folder / "N.item")
    assert rows.attrs["types"] == {
        "item_id": "token",
        "title": "token_seq",
        "english_title": "token_seq",
        "poster": "token",
    }
    assert rows.to_numpy().tolist() == [
        ["v17", "简单的番茄炒蛋", "Easy tomato and eggs, in ten minutes", "posters/v17.jpg"],
        ["v8", "街舞入门第一课", "Street dance for beginners: lesson one", "posters/v8.PNG"],
        ["v930", "老电影,新配音", "", ""],
        ["v51", "", "", ""],
    ]
    assert sorted(path.name for path in (folder / "posters").iterdir()) == ["v17.jpg", "v8.PNG"]
    assert (folder / "posters" / "v17.jpg").read_bytes() == JPG
    assert (summary.without_text, summary.without_cover) == (1, 2)
    assert "1 further rows of items that are there twice" in str(summary)
    texts = read_item_texts(folder / "N.item")
    assert texts.fields == ("title", "english_title") and texts.without_text == 1
    assert json.loads((folder / "source.json").read_text())["origin"] == "converted from NineRec's a.csv"


def test_titles_with_tabs_and_of_one_language(tmp_path):
    pairs = write(tmp_path / "a.csv", "\n".join(PAIRS))
    for name, text in (("tabs", 'item_id\ttitle\nv8\tA "quoted, title\nv17\tB\n'), ("one", "v8,A\nv17,B\n")):
        convert_ninerec(pairs, name=name, output=tmp_path, items=write(tmp_path / "i", text))
        rows = read_atomic(tmp_path / name / f"{name}.item").set_index("item_id")
        assert rows.loc["v17"].tolist() == ["B", ""]


def test_filters_and_places_after_them(tmp_path):
    path = write(tmp_path / "a.tsv", "u1\ta b c\nu2\tb c\nu3\tc b a d\n")
    summary = convert_ninerec(path, name="N", output=tmp_path, k_core=2, min_length=3)
    assert histories(tmp_path / "N") == ({"u1": ["a", "b", "c"], "u3": ["c", "b", "a"]}, "places")
    assert summary.filtered == 3
    assert "nothing is left" in refusal(convert_ninerec, path, name="M", output=tmp_path, k_core=4)
    assert "k_core is 0" in refusal(convert_ninerec, path, name="M", output=tmp_path, k_core=0)


def test_wrong_files(tmp_path):
    path = tmp_path / "a"

    def fails(expected, content, **options):
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        line = refusal(convert_ninerec, path, **{"name": "N", "output": tmp_path / "out", **options})
        assert expected in line, line
        assert not (tmp_path / "out" / "N").exists()

    good = "\n".join(LINES) + "\n"
    assert "no file" in refusal(convert_ninerec, tmp_path / "none", name="N", output=tmp_path / "out")
    fails("is empty", "\n\n")
    fails("commas between items", "u1\tv1,v2\nu2\tv3,v4\n")
    fails("3 of 3 lines are malformed, the first is line 1", "u1\tv1 v2\tv3\n" * 3)
    fails("line 1 has 1 fields", "u1 v1 v2\n")
    fails("line 1 has 4 fields", "u1,v1,5,1650000001\n")
    fails("the first is line 3", "v1,u1,1650000001\nv2,u1,1650000002\nv3,u1,yesterday\n")
    fails("the first is line 2", "v1,u1,1650000001\nv2,u1,nan\n")
    fails("the first is line 2", "v1,u1,1650000001\n,u1,1650000002\n")
    fails("is a NumPy array", b"\x93NUMPY\x01\x00" + b"x" * 80)
    fails("is a pickle, which is not opened", b"\x80\x04\x95" + b"\n" * 3 + b"x")
    fails("a zip archive: unpack it", b"PK\x03\x04abc\n")
    fails("is no data set's name", good, name="../N")
    fails("no file", good, items=tmp_path / "none")
    fails("describes none of the", good, items=write(tmp_path / "i", "x1,a,b\n"))
    fails("the first is line 2", good, items=write(tmp_path / "i", "v17,a,b\n\ufeff\n"))
    fails("close its quotation marks", good, items=write(tmp_path / "i", 'v17,"a,b\n'))
    fails("2 of 2 lines are malformed", good, items=write(tmp_path / "i", "v17,a,b,c\nv8,a,b,c\n"))
    covers = write_covers(tmp_path / "covers", ["x.jpg"])
    fails("of none of the 13 items", good, covers=covers)
    fails("is no folder", good, covers=tmp_path / "a")
    fails("has no file such as ID.jpg", good, covers=write_covers(tmp_path / "empty", ["a.txt"]))
    fails("is an LMDB database, whose values are pickles", good, covers=write_covers(tmp_path / "c", ["data.mdb"]))
    fails("is an LMDB database", good, covers=tmp_path / "all.lmdb")
    fails("is an array of pictures", good, covers=tmp_path / "all.npy")
    path.write_text(good)
    convert_ninerec(path, name="N", output=tmp_path / "out")
    assert "exists already" in refusal(convert_ninerec, path, name="N", output=tmp_path / "out")


def test_an_interrupted_conversion_leaves_nothing(tmp_path, monkeypatch):
    path, items = write(tmp_path / "a.csv", "\n".join(PAIRS)), write(tmp_path / "i", ITEMS)

    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("recbole_idp.data.convert.logs.write_atomic", interrupted)
    with pytest.raises(KeyboardInterrupt):
        convert_ninerec(path, name="N", output=tmp_path / "out", items=items)
    assert list((tmp_path / "out").iterdir()) == []
    monkeypatch.undo()
    convert_ninerec(path, name="N", output=tmp_path / "out", items=items)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["N"]


def test_of_two_conversions_at_once_one_says_so(tmp_path, monkeypatch):
    from recbole_idp.data.convert import logs

    path, other = write(tmp_path / "a.csv", "\n".join(PAIRS)), tmp_path / "out" / "N"
    write_events = logs._write_events

    def made_meanwhile(*arguments):
        write_events(*arguments)
        other.mkdir()
        (other / "N.inter").write_text("another's")

    monkeypatch.setattr(logs, "_write_events", made_meanwhile)
    line = refusal(convert_ninerec, path, name="N", output=tmp_path / "out")
    assert "another process has made" in line and (other / "N.inter").read_text() == "another's"


def test_blocks_change_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr("recbole_idp.data.convert.logs._ROWS", 2)
    convert_ninerec(write(tmp_path / "a.csv", "\n".join(PAIRS)), name="N", output=tmp_path)
    assert histories(tmp_path / "N")[0] == BY_TIME


def test_times_in_parts_of_a_second_and_ids_with_quotation_marks(tmp_path):
    path = write(tmp_path / "a.csv", 'v1,u1,1650000001500\n"v""2",u1,1650000001250\n')
    convert_ninerec(path, name="N", output=tmp_path)
    assert histories(tmp_path / "N") == ({"u1": ['v"2', "v1"]}, {"u1": [1650000001.25, 1650000001.5]})


def test_stages_are_told(tmp_path, capsys):
    path = write(tmp_path / "a.csv", "\n".join(PAIRS))
    convert_ninerec(path, name="N", output=tmp_path, items=write(tmp_path / "i", ITEMS))
    lines = capsys.readouterr().out.splitlines()
    assert [line[:8] for line in lines] == ["[1 of 3]", "[2 of 3]", "[3 of 3]"]
    assert "5 events of a.csv" in lines[0]
