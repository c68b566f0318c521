"""Sweeps: rows for the values of a key, their results, the curve, and the task."""

import pytest

from recbole_idp.cli.main import main
from recbole_idp.leaderboard.collect import collect
from recbole_idp.leaderboard.plan import make_plan
from recbole_idp.report.board.file import read_board, save_board
from recbole_idp.report.board.names import RowNames
from recbole_idp.report.board.page import board_page
from recbole_idp.report.board.swept import plot_sweep
from tests.leaderboard.test_leaderboard import InProcess, options, work
from tests.support.commands import refusal, refused

pytestmark = pytest.mark.filterwarnings("ignore:pkg_resources")


def test_each_value_is_a_row_and_models_without_the_key_have_one(domains):
    plan = make_plan(options(domains, model="Pop,PositionSASRec", sweep="{n_heads: [1, 2, 4]}"))
    jobs = plan.jobs()
    names = [f"PositionSASRec · n_heads={value}" for value in (1, 2, 4)]
    assert [job.row for job in jobs] == ["Pop", *names]
    assert [job.values.get("n_heads") for job in jobs[1:]] == [1, 2, 4]
    assert len({job.fingerprint for job in jobs}) == 4
    assert plan.points[names[1]] == ("PositionSASRec", 2) and "Pop" not in plan.points


def test_values_may_be_lists_of_sources(domains):
    sources = "{source_domains: [[pens], [lamps], [pens, lamps]]}"
    jobs = make_plan(options(domains, model="IDP", sweep=sources)).jobs()
    assert [job.row.split("=")[1] for job in jobs] == ["pens", "lamps", "pens+lamps"]
    assert [job.values["source_domains"] for job in jobs] == [["pens"], ["lamps"], ["pens", "lamps"]]


def test_a_sweep_is_measured_kept_and_drawn(domains, tmp_path):
    given = options(domains, model="Pop,PositionSASRec", sweep="{hidden_dropout_prob: [0.0, 0.5]}", seeds="1,2")
    plan = make_plan(given)
    results, failed = work(plan.jobs(), InProcess())
    assert not failed
    save_board(collect(plan, results, failed, {}), tmp_path / "board.json")
    whole = read_board(tmp_path / "board.json")
    (board,) = whole["boards"]
    swept = {row["model"]: row["swept"] for row in board["rows"]}
    assert swept["Pop"] is None
    assert swept["PositionSASRec · hidden_dropout_prob=0.5"] == {
        "key": "hidden_dropout_prob",
        "of": "PositionSASRec",
        "value": 0.5,
    }
    drawn = plot_sweep(board, "ndcg@5")
    assert "hidden_dropout_prob" in drawn and "Pop" in drawn and drawn in board_page(whole)
    names = RowNames.of(board)
    assert names.heading == "hidden_dropout_prob"
    assert [names.cut(row["model"]) for row in board["rows"]] == ["Pop", "0", "0.5"]
    assert [names.value(row["model"]) for row in board["rows"]] == [None, 0.0, 0.5]
    for row in board["rows"]:
        row["swept"] = None
    assert plot_sweep(board, "ndcg@5") == ""


def test_names_of_a_sweep_are_short_and_differ():
    def names(*points):
        places = [{"key": "top_m", "of": of, "value": value} for of, value in points]
        rows = [{"model": f"{place['of']} · top_m={place['value']}", "swept": place} for place in places]
        found = RowNames.of({"rows": [*rows, {"model": "Pop" * 20, "swept": None}]})
        return [found.heading, *(found.cut(row["model"]) for row in rows), found.cut("Pop" * 20)]

    assert names(("IDP", ["pens", "lamps"]), ("IDP", "x")) == ["top_m", "pens+lamps", "x", "PopPopPop…pPopPopPop"]
    assert names(("IDP", 1), ("SASRec", 3))[:3] == ["Model", "IDP · 1", "SASRec · 3"]
    long = "PositionSASRec with long words"
    assert names((long, 10), (long + " 2", 30))[1:3] == ["PositionS…words · 10", "PositionS…rds 2 · 30"]


@pytest.mark.parametrize(
    ("sweep", "said"),
    [
        ("{n_headz: [1, 2]}", "did you mean n_heads"),
        ("{n_heads: [1]}", "needs several values"),
        ("{n_heads: 1}", "needs several values"),
        ("{n_heads: [1, 1]}", "a value twice"),
        ("{n_heads: [1, 2], n_layers: [1, 2]}", "one key"),
        ("{seeds: [1, 2]}", "cannot change seeds"),
        ("{result_dir: [a, b]}", "no number"),
        ("{n_heads: [1, none]}", "n_heads"),
    ],
)
def test_mistakes_are_refused_in_one_line(domains, sweep, said):
    line = refusal(lambda: make_plan(options(domains, model="PositionSASRec", sweep=sweep)).jobs())
    assert said in line and "\n" not in line


def test_the_task_names_key_and_values(domains, capfd):
    words = ["sweep", "--model=PositionSASRec", "--dataset=shop", f"--data_path={domains}", "--dry_run"]
    assert main([*words, "--key=n_heads", "--values=1,2"]) == 0
    printed = capfd.readouterr().out
    assert "PositionSASRec · n_heads=1 on shop" in printed and "--n_heads=2" in printed
    refused(capfd, [*words, "--key=n_heads"], "sweep needs a key and its values")
