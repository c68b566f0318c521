"""TransRec's sequences of articles and videos become atomic files; arrays of objects are refused."""

import numpy as np

from recbole_idp.data.atomic import read_atomic
from recbole_idp.data.transrec.convert import convert_transrec
from tests.support.commands import refusal
from tests.support.logs import histories, write_covers

SEQUENCES = "2001 2040 871 2003 55 2090 14\n55 56 57 58 871 2001\n"
ARTICLES = "2001 夜市里最好吃的五种小吃\n2003\t如何给旧自行车 换链条\n2001 another row\n2040 周末\n"


def test_articles_and_videos(tmp_path):
    (tmp_path / "s").write_text(SEQUENCES)
    (tmp_path / "articles").write_text(ARTICLES, encoding="utf-8")
    covers = write_covers(tmp_path / "covers", ["55.jpg", "871.jpg"])
    summary = convert_transrec(
        tmp_path / "s", name="T", output=tmp_path / "out", items=tmp_path / "articles", covers=covers
    )
    expected = {str(line): text.split() for line, text in enumerate(SEQUENCES.splitlines(), 1)}
    assert histories(tmp_path / "out" / "T") == (expected, "places")
    rows = read_atomic(tmp_path / "out" / "T" / "T.item").set_index("item_id")
    assert rows.loc["2001"].tolist() == ["夜市里最好吃的五种小吃", ""]
    assert rows.loc["2003", "title"] == "如何给旧自行车 换链条"
    assert rows.loc["55"].tolist() == ["", "posters/55.jpg"]
    assert (summary.users, summary.without_text, summary.without_cover) == (2, 7, 8)
    assert "1 of 4 articles, whose ids begin with 2, have no title" in str(summary)


def test_an_array_of_objects_is_refused(tmp_path):
    """It would be read by unpickling."""
    sequences = np.empty(2, dtype=object)
    sequences[:] = [["2001", "55"], ["14"]]
    np.save(tmp_path / "a.npy", sequences, allow_pickle=True)
    line = refusal(convert_transrec, tmp_path / "a.npy", name="T", output=tmp_path / "out")
    assert "NumPy array, whose objects are pickles" in line and "one user a line" in line


def test_wrong_files(tmp_path):
    def fails(expected, text, **options):
        (tmp_path / "a").write_text(text)
        line = refusal(convert_transrec, tmp_path / "a", name="T", output=tmp_path / "out", **options)
        assert expected in line, line

    fails("has tabs", "u1\t2001 55\n")
    fails("has commas between items", "2001,55\n14,15\n")
    fails("is empty", "\n")
    (tmp_path / "articles").write_text("2001\n2040\n")
    fails("2 of 2 lines are malformed", SEQUENCES, items=tmp_path / "articles")
    assert not (tmp_path / "out").exists()
