"""MIND's files become atomic files: impressions with or without histories, and lines of users."""

import pytest

from recbole_idp.data.atomic import read_atomic
from recbole_idp.data.folders import clock_of
from recbole_idp.data.mind.convert import convert_mind
from tests.support.commands import refusal
from tests.support.logs import histories

# The second line of U55 is the earlier one.
BEHAVIORS = """1	U55	11/13/2019 9:15:00 PM	N3 N19 N4 N12	N9-1 N10-0
2	U56	11/12/2019 8:02:40 AM		N12-1 N5-0
3	U55	11/12/2019 8:01:13 AM	N3 N19 N4	N88-0 N12-1 N7-0
4	U90	11/14/2019 6:30:21 AM	N4	N3-0 N5-1 N9-1
5	U91	11/14/2019 12:00:02 AM	N88 N12	N7-0
"""
NEWS = """N3	sports	chess	Local club "wins again	The team of the old town	https://example.org/n3	[]	[]
N4	weather	weathertop	Snow expected on Monday		https://example.org/n4	[]	[]
N9	music	music-news	A concert on a lake		https://example.org/n9	[]	[]
N9	music	music-news	A second row		https://example.org/n9	[]	[]
"""


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def test_histories_come_before_clicks(tmp_path):
    summary = convert_mind(write(tmp_path / "behaviors.tsv", BEHAVIORS), name="M", output=tmp_path)
    found = histories(tmp_path / "M")
    assert found == (
        {
            "U55": ["N3", "N19", "N4", "N12", "N9"],
            "U56": ["N12"],
            "U90": ["N4", "N5", "N9"],
            "U91": ["N88", "N12"],
        },
        "places",
    )
    assert clock_of(tmp_path / "M") == "order of M"
    assert "6 events are of histories" in str(summary)


def test_clicks_alone_have_their_times(tmp_path):
    convert_mind(write(tmp_path / "behaviors.tsv", BEHAVIORS), history="drop", name="M", output=tmp_path)
    found, times = histories(tmp_path / "M")
    assert found == {"U55": ["N12", "N9"], "U56": ["N12"], "U90": ["N5", "N9"]}
    # 2019-11-12 8:01:13 and 2019-11-13 21:15:00 as seconds since 1970.
    assert times["U55"] == [1573545673, 1573679700]
    assert clock_of(tmp_path / "M") is None


def test_news(tmp_path):
    behaviors, news = write(tmp_path / "behaviors.tsv", BEHAVIORS), write(tmp_path / "news.tsv", NEWS)
    summary = convert_mind(behaviors, name="M", output=tmp_path, items=news)
    rows = read_atomic(tmp_path / "M" / "M.item").set_index("item_id")
    assert list(rows.columns) == ["title", "category", "subcategory", "abstract"]
    assert rows.loc["N3"].tolist() == ['Local club "wins again', "sports", "chess", "The team of the old town"]
    assert rows.loc["N9", "title"] == "A concert on a lake" and rows.loc["N12"].tolist() == [""] * 4
    assert (summary.items, summary.without_text) == (7, 4)
    assert "3 of 7 items alone are in the file of items" in str(summary)


@pytest.mark.parametrize("header", [False, True])
@pytest.mark.parametrize("columns", [2, 3])
def test_the_form_of_morec_and_tcf(tmp_path, columns, header):
    users = ("user\titems\n" if header else "") + "U55\tN3 N19 N4\nU56\tN8 N2\n"
    rows = [["N3", "local club", "the team"], ["N8", "snow", ""]]
    rows = [["id", "title", "abstract"], *rows] if header else rows
    items = "\n".join("\t".join(row[:columns]) for row in rows) + "\n"
    summary = convert_mind(
        write(tmp_path / "users.tsv", users), name="M", output=tmp_path, items=write(tmp_path / "items.tsv", items)
    )
    assert histories(tmp_path / "M") == ({"U55": ["N3", "N19", "N4"], "U56": ["N8", "N2"]}, "places")
    found = read_atomic(tmp_path / "M" / "M.item").set_index("item_id")
    assert list(found.columns) == ["title", "abstract"][: columns - 1]
    assert found.loc["N3"].tolist() == ["local club", "the team"][: columns - 1]
    assert summary.without_text == 3


def test_wrong_files(tmp_path):
    def fails(expected, text, **options):
        line = refusal(convert_mind, write(tmp_path / "a", text), name="M", output=tmp_path / "out", **options)
        assert expected in line, line
        assert not (tmp_path / "out").exists()

    fails("line 1 has 1 fields with tabs between", BEHAVIORS.replace("\t", ","))
    fails("does not say what was clicked", BEHAVIORS.replace("-1", "").replace("-0", ""))
    fails("the first is line 2", BEHAVIORS.replace("N12-1 N5-0", "N12-1 N5-x"))
    fails("the first is line 2", BEHAVIORS.replace("11/12/2019 8:02:40 AM", "yesterday"))
    fails("the first is line 2", BEHAVIORS.replace("U56", ""))
    fails("has no events", "1\tU1\t11/12/2019 8:02:40 AM\t\tN1-0\n", history="drop")
    users = "U55\tN3 N19 N4\nU56\tN8 N2\n"
    fails("has 1 fields a line", users, items=write(tmp_path / "i", NEWS.replace("\t", ",")))
    fails("the first is line 2", users, items=write(tmp_path / "i", "N3\ta\nN8\tb\tc\nN4\td\n"))
