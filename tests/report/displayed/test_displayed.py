"""What a notebook shows of results and leaderboards: DataFrames of the numbers, tables, plots; names are no markup."""

import json
import xml.dom.minidom
from html.parser import HTMLParser

import pytest

import recbole_idp
from recbole_idp.errors import UserError
from recbole_idp.report.board.file import save_board
from recbole_idp.testing.toy import write_domains
from tests.support.boards import leaderboard
from tests.support.trained import run

pytestmark = pytest.mark.filterwarnings("ignore:pkg_resources")


class Elements(HTMLParser):
    """Collects the elements and the texts of HTML."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.texts = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)

    def handle_data(self, data):
        self.texts.append(data)


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shown")
    write_domains(folder / "data")
    found = run(folder, variants=["scratch", "text_pca"], seeds=[1, 2])
    (path,) = (folder / "data" / "results").glob("*.json")
    return found, path


def test_a_run_returns_what_is_saved_with_frames(result):
    found, path = result
    read = recbole_idp.read_result(path)
    frame = found.frame()
    assert list(frame.index) == ["scratch", "text_pca"] and frame.equals(read.frame())
    for name, row in json.loads(path.read_text())["variants"].items():
        assert frame.loc[name, "ndcg@5"] == row["test"]["ndcg@5"] and frame.loc[name, "seconds"] == row["seconds"]
    trials = found.trials()
    assert trials.index.names == ["variant", "seed", "train_users_share"] and len(trials) == 4
    assert trials.loc[("text_pca", 2, 1.0), "hit@5"] == found["variants"]["text_pca"]["runs"][1]["test"]["hit@5"]
    assert trials["hit@5"].groupby("variant").mean().round(6).to_dict() == frame["hit@5"].to_dict()
    assert list(found.compared()["variant"]) == [one["variant"] for one in found["comparisons"]]
    assert "p_holm" in found.compared()


def test_a_result_shows_itself(result):
    found, _ = result
    elements = Elements(found._repr_html_())
    assert {"scratch", "text_pca", "NDCG@5".lower()} <= set(elements.texts)
    assert f"{found['variants']['scratch']['test']['ndcg@5']:.4f}" in found._repr_html_()
    assert found._repr_markdown_().count("\n|") == 4
    drawn = found.plot()._repr_svg_()
    xml.dom.minidom.parseString(drawn)
    assert "text_pca" in drawn and "NDCG@5" in drawn
    assert found.plot("hit@1")._repr_svg_() != drawn
    with pytest.raises(UserError, match="no metric 'ndcg@6' was measured: did you mean ndcg@5"):
        found.plot("ndcg@6")


def test_a_study_is_drawn_as_curves(result, tmp_path):
    write_domains(tmp_path / "data")
    found = run(tmp_path, variants=["scratch"], few_shot=[0.5, 1.0])
    assert len(found.trials()) == 2 and "share of the target" in found.plot()._repr_svg_()
    found.plot().save(tmp_path / "plot.svg")
    assert (tmp_path / "plot.svg").read_text() == found.plot()._repr_svg_()
    assert "50 %" in found._repr_markdown_()


@pytest.fixture
def board(tmp_path):
    content = leaderboard()
    content["boards"][1]["notes"].append("<script>alert(1)</script>")
    save_board(content, tmp_path / "board.json")
    return recbole_idp.read_leaderboard(tmp_path / "board.json")


def test_a_leaderboard_shows_itself_and_has_a_frame(board):
    frame = board.frame()
    assert frame.index.names == ["dataset", "protocol", "model"]
    assert frame.loc[("Office", "full", "IDP"), "ndcg@10"] == next(
        row["mean"]["ndcg@10"] for row in board["boards"][0]["rows"] if row["model"] == "IDP"
    )
    office = frame.loc["Office"]
    assert list(office["ndcg@10"]) == sorted(office["ndcg@10"], reverse=True)
    elements = Elements(board._repr_html_())
    assert (
        elements.tags.count("table") == 2
        and "script" not in elements.tags
        and "<script>alert(1)</script>" in elements.texts
    )
    assert "UniSRec" in elements.texts and board._repr_markdown_().startswith("# Leaderboard")


def test_a_leaderboard_is_drawn(board):
    drawn = board.plot()._repr_svg_()
    xml.dom.minidom.parseString(drawn)
    assert "NDCG@10 on Office" in drawn and "NDCG@10 on Arts" in board.plot("Arts")._repr_svg_()
    with pytest.raises(UserError, match="has no results on Toys: it is of Office, Arts"):
        board.plot("Toys")
    with pytest.raises(UserError, match="no metric 'x' of all models"):
        board.plot(metric="x")
