"""Rows of a leaderboard for each text encoder, and without training on the target."""

import pytest

from recbole_idp.leaderboard.encoders import encoder_rows
from recbole_idp.leaderboard.plan import is_leaderboard, make_plan
from tests.leaderboard.test_leaderboard import InProcess, options, work
from tests.support.commands import refusal
from tests.support.encoders import write_bert

WORDS = ["pen", "pad", "red", "blue", "ink", "paper", "green", "lamp", "desk", "ruler"]


@pytest.fixture
def encoder(tmp_path):
    """Makes a small encoder; returns its folder."""
    folder = tmp_path / "small-bert"
    folder.mkdir()
    write_bert(folder, WORDS)
    return str(folder)


def test_a_row_for_each_encoder_and_for_zero_shot(domains, encoder):
    given = options(
        domains, model="PositionSASRec,MoRec,UniSRec", text_encoders=f"lsa,{encoder}", source_domains="pens,lamps"
    )
    assert is_leaderboard({"model": "MoRec", "text_encoders": "lsa"})
    jobs = make_plan(given).jobs()
    assert [job.row for job in jobs] == [
        "PositionSASRec",
        "MoRec · lsa",
        "MoRec · small-bert",
        "UniSRec · lsa",
        "UniSRec · lsa · zero-shot",
        "UniSRec · small-bert",
        "UniSRec · small-bert · zero-shot",
    ]
    by_row = {job.row: job for job in jobs}
    assert by_row["MoRec · small-bert"].values["text_encoder"] == encoder
    assert "text_encoder" not in by_row["PositionSASRec"].options or (
        by_row["PositionSASRec"].options["text_encoder"] == "lsa"
    )
    assert by_row["UniSRec · lsa"].options["variants"] == "fine_tune"
    assert by_row["UniSRec · lsa · zero-shot"].options["variants"] == "zero_shot"
    assert len({job.fingerprint for job in jobs}) == len(jobs)
    assert not any("text_encoders" in job.options for job in jobs)


def test_a_model_that_starts_from_scratch_has_zero_shot_rows_where_it_is_asked_to_transfer(domains):
    given = options(domains, model="MoRec,Pop", text_encoders="lsa", source_domains="pens", transfer="fine_tune")
    rows = {job.row: job for job in make_plan(given).jobs()}
    assert list(rows) == ["MoRec · lsa", "MoRec · lsa · zero-shot", "Pop"]
    assert rows["MoRec · lsa"].values["transfer"] == "fine_tune"
    assert rows["MoRec · lsa · zero-shot"].values["transfer"] == "zero_shot"


def test_rows_of_their_own_are_compared_as_well(domains):
    own = "{deep: {model: MoRec, projection_layers: 2}, frozen: {model: UniSRec, transfer: fine_tune}}"
    jobs = make_plan(
        options(domains, model="deep,frozen", model_options=own, text_encoders="lsa", source_domains="pens")
    ).jobs()
    assert [job.row for job in jobs] == ["deep · lsa", "frozen · lsa"]
    assert jobs[0].values["projection_layers"] == 2


def test_what_cannot_be_compared_is_refused(domains, tmp_path):
    def fails(**changes):
        return refusal(make_plan, options(domains, **changes))

    assert "none of Pop, PositionSASRec reads texts" in fails(text_encoders="lsa")
    assert "text_encoders has" in fails(model="MoRec", text_encoders="lsa,lsa")
    own = "{MoRec: {text_encoder: lsa}}"
    assert "gives MoRec a text_encoder" in fails(model="MoRec", model_options=own, text_encoders="lsa")
    for folder in ("a", "b"):
        (tmp_path / folder / "mini").mkdir(parents=True)
    line = refusal(encoder_rows, {"MoRec": "MoRec"}, {}, [f"{tmp_path}/a/mini", f"{tmp_path}/b/mini/"], "shop")
    assert "both named mini" in line


def test_the_board_has_the_rows(domains):
    small = {"epochs": "1", "hidden_size": "16", "inner_size": "32", "n_layers": "1"}
    plan = make_plan(options(domains, model="MoRec", text_encoders="lsa", **small))
    results, failed = work(plan.jobs(), InProcess())
    assert [job.row for job in results] == ["MoRec · lsa"] and not failed
