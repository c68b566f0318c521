"""Adressa's logs become atomic files: articles alone, each once a reader, with the titles in the logs."""

import json

import pytest

from recbole_idp.data.adressa.convert import convert_adressa
from recbole_idp.data.atomic import read_atomic
from recbole_idp.data.folders import clock_of
from tests.support.commands import refusal
from tests.support.logs import histories

DAYS = {
    "20170102": [
        {"time": 1483225201, "userId": "cx:aa", "id": "f00a", "title": "Nytt bibliotek", "category1": "nyheter|byen"},
        {"time": 1483225260, "userId": "cx:bb", "url": "http://adressa.no", "activeTime": 5},
        {"time": 1483225300, "userId": "cx:aa", "id": "f00b", "title": "Sterk vind", "keywords": "vind,vær"},
        {"time": 1483225400, "userId": "cx:aa", "id": "f00a", "title": "Nytt bibliotek åpnet", "activeTime": 40},
        {"time": 1483225401, "userId": "cx:bb", "id": "f00e", "title": None},
    ],
    "20170101": [
        {"time": 1483125000, "userId": "cx:bb", "id": "f00c", "title": "Ny rektor valgt", "category1": None},
        {"time": 1483125100, "userId": "cx:bb", "id": "f00a", "title": "Nytt bibliotek"},
    ],
}


@pytest.fixture
def week(tmp_path):
    folder = tmp_path / "one_week"
    folder.mkdir()
    for day, views in DAYS.items():
        (folder / day).write_text("".join(json.dumps(view) + "\n" for view in views), encoding="utf-8")
    (folder / ".hidden").write_text("x")
    return folder


def test_a_folder_of_days(tmp_path, week):
    summary = convert_adressa(week, name="A", output=tmp_path)
    found, times = histories(tmp_path / "A")
    assert found == {"cx:bb": ["f00c", "f00a"], "cx:aa": ["f00a", "f00b"]}
    assert times["cx:aa"] == [1483225201, 1483225300] and clock_of(tmp_path / "A") is None
    rows = read_atomic(tmp_path / "A" / "A.item").set_index("item_id")
    assert list(rows.columns) == ["title", "category", "keywords"]
    # The first view in the order of the files decides.
    assert rows.loc["f00a"].tolist() == ["Nytt bibliotek", "", ""]
    assert rows.loc["f00b"].tolist() == ["Sterk vind", "", "vind,vær"]
    assert (summary.duplicates, summary.without_text) == (1, 0)
    assert "2 views of front pages" in str(summary)


def test_one_day(tmp_path, week):
    convert_adressa(week / "20170102", name="A", output=tmp_path)
    rows = read_atomic(tmp_path / "A" / "A.item").set_index("item_id")
    assert rows.loc["f00a"].tolist() == ["Nytt bibliotek", "nyheter, byen", ""]


def test_the_form_of_adapter4rec(tmp_path):
    (tmp_path / "users").write_text("7\t9f3a 0b77 9f3a\n8\t0b77\n")
    (tmp_path / "news").write_text("9f3a\tnew library\n0b77\tstrong wind\n")
    convert_adressa(tmp_path / "users", name="A", output=tmp_path, items=tmp_path / "news")
    assert histories(tmp_path / "A") == ({"7": ["9f3a", "0b77", "9f3a"], "8": ["0b77"]}, "places")
    rows = read_atomic(tmp_path / "A" / "A.item")
    assert rows.to_numpy().tolist() == [["9f3a", "new library"], ["0b77", "strong wind"]]


def test_wrong_files(tmp_path, week):
    def fails(expected, text):
        (tmp_path / "a").write_text(text)
        line = refusal(convert_adressa, tmp_path / "a", name="A", output=tmp_path / "out")
        assert expected in line, line
        assert not (tmp_path / "out").exists()

    good = json.dumps(DAYS["20170102"][0]) + "\n"
    fails("the first is line 2", good + good.replace("1483225201", '"now"'))
    fails("the first is line 2", good + good.replace('"cx:aa"', "7"))
    fails("the first is line 2", good + good.replace('"f00a"', '["f00a"]'))
    fails("the first is line 2", good + "{\n")
    fails("has no events", json.dumps(DAYS["20170102"][1]) + "\n")
    fails("has no tab", "cx:aa f00a\n")
    (tmp_path / "empty").mkdir()
    assert "has no files" in refusal(convert_adressa, tmp_path / "empty", name="A", output=tmp_path / "out")
    (week / "20170101").write_text("cx:aa\tf00a\n")
    assert "no JSON objects" in refusal(convert_adressa, week, name="A", output=tmp_path / "out")
