"""A leaderboard from Python: the public function, and the object that it returns."""

import pytest

import recbole_idp
from recbole_idp.report.displayed.leaderboard import Leaderboard
from tests.support.commands import refusal

KEYS = {"topk": [1, 5], "valid_metric": "NDCG@5", "use_gpu": False, "text_encoder": "lsa"}


@pytest.mark.slow
def test_a_leaderboard_from_python_is_an_object_that_shows_itself(domains):
    def run():
        return recbole_idp.leaderboard(models=["Pop", "ItemKNN"], dataset="shop", data_path=str(domains), **KEYS)

    board = run()
    assert isinstance(board, Leaderboard) and "<table" in board._repr_html_()
    frame = board.frame()
    assert sorted(frame.index.get_level_values("model")) == ["ItemKNN", "Pop"] and frame["ndcg@5"].between(0, 1).all()
    (page,) = domains.parent.glob("results/leaderboard-*.html")
    assert recbole_idp.read_leaderboard(page.with_suffix(".json")) == board
    # What is known is not trained again.
    assert run()["boards"][0]["rows"] == board["boards"][0]["rows"]


def test_wrong_values_are_refused_before_anything_is_trained(domains):
    place = {"data_path": str(domains)}
    assert "did you mean PositionSASRec" in refusal(recbole_idp.leaderboard, ["PositionSASRek"], "shop", **place)
    assert "did you mean --topk" in refusal(recbole_idp.leaderboard, "Pop", "shop", topl=[1], **place)
    assert "seeds" in refusal(recbole_idp.leaderboard, ["Pop", "ItemKNN"], "shop", seeds=["a"], **place)
    assert "give names" in refusal(recbole_idp.leaderboard, [], "shop", **place)
    assert "twice" in refusal(recbole_idp.leaderboard, ["Pop", "Pop"], "shop", **place)
    assert "shoq" in refusal(recbole_idp.leaderboard, ["Pop"], ["shop", "shoq"], **place)
    assert not list(domains.parent.glob("results/*"))
