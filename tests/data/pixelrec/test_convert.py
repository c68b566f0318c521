"""PixelRec's files become atomic files: columns by name, texts with line breaks, covers."""

import pytest

from recbole_idp.data.atomic import read_atomic
from recbole_idp.data.folders import clock_of
from recbole_idp.data.pixelrec.convert import convert_pixelrec
from tests.support.commands import refusal
from tests.support.logs import histories, write_covers

EVENTS = """item_id,user_id,timestamp
i12,u7,1655000001
i90,u7,1655000093
i12,u8,1655000120
i4031,u8,1655001000
i90,u8,1655000500
i90,u8,1655000500
"""
ITEMS = """item_id,view_number,comment_number,title,tag,description
i12,1520,33,Cooking with my cat,pets,"Today we try
 soup, with ""cat"" and\tsalt"
i90,88,2,City walk at night,travel,-
i5,12,0,First day of school,daily,
i12,1,1,Another row,pets,
"""


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def events(tmp_path):
    return write(tmp_path / "Pixel200K.csv", EVENTS)


def test_events_by_time(tmp_path, events):
    summary = convert_pixelrec(events, name="P", output=tmp_path / "out")
    found, times = histories(tmp_path / "out" / "P")
    assert found == {"u7": ["i12", "i90"], "u8": ["i12", "i90", "i4031"]}
    assert times["u7"] == [1655000001, 1655000093]
    assert clock_of(tmp_path / "out" / "P") is None
    assert (summary.users, summary.items, summary.interactions, summary.duplicates) == (2, 3, 5, 1)


def test_columns_in_another_order(tmp_path):
    rows = [line.split(",") for line in EVENTS.splitlines()]
    text = "\n".join(",".join([time, "x", user, item]) for item, user, time in rows)
    path = write(tmp_path / "a.csv", text)
    convert_pixelrec(path, name="P", output=tmp_path)
    assert histories(tmp_path / "P")[0]["u8"] == ["i12", "i90", "i4031"]


def test_texts_with_line_breaks_and_covers(tmp_path, events):
    covers = write_covers(tmp_path / "cover", ["i12.jpg", "i4031.jpeg", "i5.jpg"])
    items = write(tmp_path / "items.csv", ITEMS)
    summary = convert_pixelrec(events, name="P", output=tmp_path / "out", items=items, covers=covers)
    rows = read_atomic(tmp_path / "out" / "P" / "P.item")
    assert list(rows.columns) == ["item_id", "title", "tag", "description", "poster"]
    assert rows.to_numpy().tolist() == [
        ["i12", "Cooking with my cat", "pets", 'Today we try soup, with "cat" and salt', "posters/i12.jpg"],
        ["i90", "City walk at night", "travel", "", ""],
        ["i4031", "", "", "", "posters/i4031.jpeg"],
    ]
    assert (summary.without_text, summary.without_cover, summary.malformed) == (1, 1, 0)
    assert "1 items without cover" in str(summary) and "1 further rows" in str(summary)


def test_covers_without_texts(tmp_path, events):
    covers = write_covers(tmp_path / "cover", ["i12.jpg"])
    convert_pixelrec(events, name="P", output=tmp_path / "out", covers=covers)
    rows = read_atomic(tmp_path / "out" / "P" / "P.item")
    assert rows.to_numpy().tolist() == [["i12", "posters/i12.jpg"], ["i90", ""], ["i4031", ""]]


def test_wrong_files(tmp_path, events):
    def fails(expected, text, **options):
        line = refusal(convert_pixelrec, write(tmp_path / "a.csv", text), name="P", output=tmp_path / "out", **options)
        assert expected in line, line
        assert not (tmp_path / "out").exists()

    fails("has no column user_id and no item_id and no timestamp", "i12,u7,1655000001\n")
    fails("has no column timestamp", EVENTS.replace("timestamp", "time_of_day"))
    fails("has no column user_id", EVENTS.replace(",", "\t"))
    fails("has the column item_id twice", EVENTS.replace("timestamp", "timestamp,item_id"))
    fails("has no events", "item_id,user_id,timestamp\n")
    fails("the first is line 2", EVENTS.replace("i12,u7,1655000001", "i12,u7,inf"))
    fails("the first is line 2", EVENTS.replace("i12,u7,1655000001", "i12,u7"))
    fails("has no column title", EVENTS, items=write(tmp_path / "i.csv", ITEMS.replace("title", "name")))
    fails("has the column tag twice", EVENTS, items=write(tmp_path / "i.csv", ITEMS.replace("description", "tag")))
    fails("close its quotation marks", EVENTS, items=write(tmp_path / "i.csv", ITEMS.replace('salt"', "salt")))
