"""Leaderboards: jobs, fingerprints, resuming, failures, Ray."""

import json
import sys
import types
from pathlib import Path

import pytest

from recbole_idp import registry
from recbole_idp.cli.main import main
from recbole_idp.compat import RAY_REMEDY, STAND_IN
from recbole_idp.errors import UserError
from recbole_idp.leaderboard.collect import collect
from recbole_idp.leaderboard.engines import LocalEngine, RayEngine
from recbole_idp.leaderboard.job_folder import JobFolder
from recbole_idp.leaderboard.plan import is_leaderboard, make_plan
from recbole_idp.leaderboard.schedule import run_jobs, seconds_left
from recbole_idp.report.board.file import read_board, save_board
from recbole_idp.report.board.latex import board_latex
from recbole_idp.report.board.page import board_page
from recbole_idp.report.board.text import board_markdown, board_text
from recbole_idp.testing.toy import TINY
from tests.support.people import JOINED, write_people

SMALL = {key: str(value) for key, value in TINY.items() if key in ("hidden_size", "inner_size", "n_layers", "epochs")}


def options(domains, model="Pop,PositionSASRec", **changes):
    common = {"dataset": "shop", "data_path": str(domains), "topk": "1,5,10", "valid_metric": "NDCG@5"}
    small = SMALL if {"PositionSASRec", "IDP", "NewcomerRec"} & set(model.split(",")) else {}
    return {"model": model, "use_gpu": "false", "text_encoder": "lsa", **small, **common, **changes}


class InProcess:
    """An engine that runs each job to its end when it is started."""

    def __init__(self):
        self.started = []

    def start(self, arguments, folder, log):
        self.started.append(arguments)
        log.write_text("")
        return len(self.started), main(["run", *arguments, f"--result_dir={folder}", "--show_progress=false"])

    def wait(self, running):
        return running[0], running[0][1]

    def stop(self, running):
        pass


def quiet(line):
    """Takes a line and shows it to nobody."""


def work(jobs, engine, report=quiet):
    return run_jobs(jobs, "saved", engine, 1, report, show_progress=False)


def test_several_names_make_a_leaderboard():
    assert is_leaderboard({"model": "A,B"}) and is_leaderboard({"dataset": "A,B"}) and is_leaderboard({"jobs": "2"})
    assert not is_leaderboard({"model": "IDP", "seeds": "1,2"})


def test_every_combination_is_a_job_with_a_fingerprint_of_its_own(domains):
    plan = make_plan(options(domains, dataset="shop,pens", seeds="1,2"))
    jobs = plan.jobs()
    assert len({job.fingerprint for job in jobs}) == len(jobs) == 2 * 2 * 2
    again = make_plan(options(domains, dataset="shop,pens", seeds="1,2", jobs="2", threads="1", result_dir="elsewhere"))
    assert [job.fingerprint for job in again.jobs()] == [job.fingerprint for job in jobs]
    other = make_plan(options(domains, dataset="shop,pens", seeds="1,2", learning_rate="0.1"))
    assert not {job.fingerprint for job in other.jobs()} & {job.fingerprint for job in jobs}


def test_a_bundle_counts_by_its_content_and_not_by_its_place(domains, tmp_path):
    def given(folder, content):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "bundle.json").write_text(content)
        (job,) = make_plan(options(domains, model="IDP", pretrained=str(tmp_path / folder), jobs="1")).jobs()
        return job.fingerprint

    assert given("a", "one") == given("b", "one") != given("b", "other")


def test_a_job_gets_the_keys_that_its_model_has(domains):
    plan = make_plan(options(domains, model="Pop,PositionSASRec", n_heads="1"))
    by_model = {job.model: job.arguments() for job in plan.jobs()}
    own = make_plan(options(domains, model_options="{PositionSASRec: {n_heads: 2}}")).jobs()
    assert [job.options.get("n_heads") for job in own] == [None, "2"]
    assert "--n_heads=1" in by_model["PositionSASRec"] and "--n_heads=1" not in by_model["Pop"]


def test_a_row_of_another_name_is_a_model_with_options_of_its_own(domains):
    own = "{one head: {model: PositionSASRec, n_heads: 1}}"
    plan = make_plan(options(domains, model="PositionSASRec,one head", model_options=own, baseline="one head"))
    one, other = plan.jobs()
    assert (one.row, one.model, other.row, other.model) == ("PositionSASRec", "PositionSASRec", "one head", one.model)
    assert other.arguments()[0] == "--model=PositionSASRec" and "--n_heads=1" in other.arguments()
    assert "model" not in other.options and other.name == "one head on shop, seed 2020"
    assert one.fingerprint != other.fingerprint
    results, failed = work(plan.jobs(), InProcess())
    (board,) = collect(plan, results, failed, {})["boards"]
    assert [row["model"] for row in board["rows"]] == ["PositionSASRec", "one head"]
    assert [row["variant"] for row in board["comparisons"]] == ["PositionSASRec"]
    assert "--model=PositionSASRec" in board["rows"][1]["command"]


def test_a_row_may_choose_its_start(domains):
    own = "{chosen: {model: IDP, variants: auto}}"
    given, chosen = make_plan(
        options(domains, model="IDP,chosen", model_options=own, source_domains="pens,lamps")
    ).jobs()
    assert given.options["variants"] == "fine_tune" and "auto" in chosen.options["variants"]
    assert given.fingerprint != chosen.fingerprint


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model": "Pop,SASRek"}, "unknown model 'SASRek': did you mean SASRec"),
        ({"model": "Pop,,SASRec"}, "empty name"),
        ({"model": "Pop,Pop"}, "names Pop twice"),
        ({"learning_rat": "1"}, "unknown key --learning_rat on the command line: did you mean --learning_rate"),
        ({"seeds": "one,two"}, "seeds"),
        ({"baseline": "IDP"}, "baseline IDP is none of the models"),
        ({"metrics": "NDGC"}, "NDGC"),
        ({"jobs": "0"}, "jobs"),
        ({"model_options": "{IDP: {epochs: 1}}"}, "model_options has IDP"),
        ({"model": "Pop,IDP", "model_options": "{Pop: {model: IDP}}"}, "Pop is a model: give the row another name"),
        ({"model": "Pop,mine", "model_options": "{mine: {model: SASRek}}"}, "unknown model 'SASRek': did you mean"),
        ({"model_options": "{Pop: {variants: [scratch]}}"}, "model_options has several variants of Pop"),
        ({"model_options": "{Pop: {topk: [5]}}"}, "model_options has topk of Pop: a board measures all alike"),
        ({"metrics": "Recall", "valid_metric": "Recal@10"}, "valid_metric Recal@10 is no metric: did you mean Recall"),
        ({"dataset": "shop,nowhere"}, "nowhere"),
    ],
)
def test_mistakes_are_said_before_any_job_is_run(domains, changes, said):
    with pytest.raises(UserError, match=said):
        make_plan(options(domains, **changes)).jobs()


def test_finished_jobs_are_not_run_again_and_a_failure_stops_no_other(domains):
    plan = make_plan(options(domains, model="Pop,MoRec,PositionSASRec"))
    (domains / "shop" / "shop.item").unlink()
    engine, lines = InProcess(), []
    results, failed = work(plan.jobs(), engine, lines.append)
    assert {job.model for job in results} == {"Pop", "PositionSASRec"}
    assert [job.model for job in failed] == ["MoRec"]
    assert any("MoRec on shop, seed 2020: failed" in line for line in lines)
    again = InProcess()
    work(plan.jobs(), again)
    assert [arguments[0] for arguments in again.started] == ["--model=MoRec"]
    board = collect(plan, results, failed, {})
    save_board(board, "board.json")
    (one,) = read_board("board.json")["boards"]
    assert one["baseline"] in ("Pop", "PositionSASRec") and len(one["comparisons"]) == 1
    # As the validation metric is, by which also the best baseline is chosen.
    assert read_board("board.json")["metric"] == one["comparisons"][0]["metric"] == "NDCG@5"
    assert [row["model"] for row in one["rows"]] == ["Pop", "PositionSASRec"]
    # Pop ranks what a user has had like any other item, as the others do.
    assert one["notes"] == []
    assert one["failed"][0]["model"] == "MoRec"
    assert sum(bucket["users"] for bucket in one["rows"][0]["buckets"]["popularity"]) == one["users"]


@pytest.mark.slow
def test_a_dataset_of_which_every_job_failed_is_on_the_board(domains):
    plan = make_plan(options(domains, model="Pop,MoRec", dataset="shop,pens"))
    (domains / "pens" / "pens.inter").write_text("nonsense")
    results, failed = work(plan.jobs(), InProcess())
    save_board(collect(plan, results, failed, {}), "board.json")
    shop, pens = read_board("board.json")["boards"]
    assert [row["model"] for row in shop["rows"]] == ["Pop", "MoRec"] and not shop["failed"]
    assert not pens["rows"] and [job["model"] for job in pens["failed"]] == ["Pop", "MoRec"]
    assert pens["protocol"] == shop["protocol"] == "full" and pens["users"] is None
    assert "No job has finished\n\nFailed: Pop with seed 2020: " in board_text(read_board("board.json"))


def test_results_of_one_job_that_disagree_are_refused(domains):
    (job,) = make_plan(options(domains, model="Pop", jobs="1")).jobs()
    (path,) = work([job], InProcess())[0].values()
    result = json.loads(path.read_text())
    result["variants"]["Pop"]["test"]["ndcg@5"] += 0.1
    path.with_name("other.json").write_text(json.dumps(result))
    with pytest.raises(UserError, match="results of one job with different numbers: delete the folder"):
        JobFolder("saved", job).result()


def test_a_damaged_result_is_refused_by_name(domains):
    (job,) = make_plan(options(domains, model="Pop", jobs="1")).jobs()
    (path,) = work([job], InProcess())[0].values()
    path.write_text("{")
    with pytest.raises(UserError, match=path.name):
        work([job], InProcess())


class Recorder:
    """Starts nothing; ends the jobs as failed, the first started first, and keeps which were there together."""

    def __init__(self):
        self.together = []

    def start(self, arguments, folder, log):
        log.write_text("failed on purpose")
        seeds = next(part for part in arguments if part.startswith("--seeds="))
        return arguments[0].removeprefix("--model="), int(seeds.removeprefix("--seeds="))

    def wait(self, running):
        self.together.append(running)
        return running[0], 2

    def stop(self, running):
        pass


def together(domains, model, seeds, at_a_time):
    changes = {"model": model, "source_domains": "pens,lamps", "seeds": seeds}
    jobs, recorder = make_plan(options(domains, **changes)).jobs(), Recorder()
    results, failed = run_jobs(jobs, "saved", recorder, at_a_time, quiet, show_progress=False)
    assert not results and len(failed) == len(jobs) and set(failed.values()) == {"failed on purpose"}
    return recorder.together


def test_the_others_of_a_pre_trained_model_wait_for_the_first(domains):
    found = together(domains, "IDP,UniSRec", "1,2,3", 4)
    assert found[:3] == [
        [("IDP", 1), ("UniSRec", 1)],
        [("UniSRec", 1), ("IDP", 2), ("IDP", 3)],
        [("IDP", 2), ("IDP", 3), ("UniSRec", 2), ("UniSRec", 3)],
    ]


def test_a_pre_trained_model_starts_early_and_others_beside_it(domains):
    found = together(domains, "Pop,MoRec,IDP,UniSRec", "1,2", 2)
    assert found[:3] == [[("IDP", 1), ("Pop", 1)], [("Pop", 1), ("UniSRec", 1)], [("UniSRec", 1), ("Pop", 2)]]


def test_what_takes_longest_starts_early_and_the_rest_in_the_order_of_names(domains):
    found = together(domains, "Pop,GRU4Rec,SASRec,MoRec,BERT4Rec,FDSA,UniSRec", "1", 2)
    assert [model for (model, _), *_ in found] == ["UniSRec", "FDSA", "BERT4Rec", "SASRec", "GRU4Rec", "Pop", "MoRec"]


def test_jobs_are_handed_over_in_their_order_whenever_they_ended(domains):
    jobs = make_plan(options(domains, model="Pop,GRU4Rec,IDP", seeds="2,1", source_domains="pens")).jobs()
    work(jobs[3:4], InProcess())
    results, failed = run_jobs(jobs, "saved", Recorder(), 2, quiet, show_progress=False)
    assert list(results) == jobs[3:4] and list(failed) == jobs[:3] + jobs[4:]


def test_the_time_left_is_that_of_like_jobs(domains):
    jobs = make_plan(options(domains, model="Pop,MoRec", dataset="shop,pens", seeds="1,2")).jobs()
    (pop, again), (more, most), (pens, _), _ = (jobs[row : row + 2] for row in range(0, 8, 2))
    assert [job.name for job in (pop, more, pens)] == [
        f"{on}, seed 1" for on in ("Pop on shop", "MoRec on shop", "Pop on pens")
    ]
    assert seconds_left([again], {more: 5.0}, {}) is None
    # As long as the other seed; as long as the model on the other dataset; as long as all that have ended.
    assert seconds_left([again], {}, {pop: 10.0, more: 40.0}) == 10
    assert seconds_left([pens], {}, {pop: 10.0, more: 40.0}) == 10
    assert seconds_left([most], {}, {pop: 10.0, pens: 20.0}) == 15
    # What runs has done a part, and two at a time take half as long.
    assert seconds_left([again], {most: 30.0, pens: 60.0}, {pop: 10.0, more: 40.0}) == (10 + 10 + 0) / 2


@pytest.mark.slow
def test_jobs_run_as_processes(domains):
    jobs = make_plan(options(domains, model="Pop", seeds="1,2", jobs="2")).jobs()
    results, failed = run_jobs(jobs, "saved", LocalEngine(1), 2, quiet, show_progress=False)
    assert len(results) == 2 and not failed


def test_jobs_run_on_two_workers_of_ray(domains, ray_cluster):
    jobs = make_plan(options(domains, model="Pop", seeds="1,2", jobs="2")).jobs()
    for job in jobs:
        job.options.update(data_path=str(domains), checkpoint_dir=str(domains / "saved"))
    results, failed = run_jobs(jobs, domains / "saved", RayEngine(1), 2, quiet, show_progress=False)
    assert len(results) == 2 and not failed, failed


def test_an_engine_without_ray_is_refused_with_the_remedy(domains, monkeypatch, capsys):
    arguments = [f"--{key}={value}" for key, value in options(domains, model="Pop", jobs="2", engine="ray").items()]
    ray = types.ModuleType("ray")
    ray.__version__ = "2.6.3" + STAND_IN
    for found in (ray, None):
        monkeypatch.setitem(sys.modules, "ray", found)
        assert main(arguments) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert "engine ray needs Ray" in line and RAY_REMEDY in line and "--engine=local" in line


def test_ranks_of_a_board_are_compared_over_the_same_users(domains):
    plan = make_plan(options(domains, model="Pop,PositionSASRec"))
    results, _ = work(plan.jobs(), InProcess())
    (one,) = collect(plan, results, {}, {})["boards"]
    (comparison,) = one["comparisons"]
    assert comparison["users"] == one["users"]


PLUGIN = """
from recbole_idp.models.base.sequence_model import SequenceModel


class NewcomerRec(SequenceModel):
    \"\"\"A SASRec of somebody else.\"\"\"
"""


@pytest.mark.slow
def test_a_model_of_another_package_joins_the_board(domains, tmp_path, monkeypatch):
    place = tmp_path / "installed"
    (place / "newcomer-1.0.dist-info").mkdir(parents=True)
    (place / "newcomer.py").write_text(PLUGIN)
    (place / "newcomer-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: newcomer\nVersion: 1.0\n")
    points = "[recbole_idp.models]\nNewcomerRec = newcomer:NewcomerRec\n"
    (place / "newcomer-1.0.dist-info" / "entry_points.txt").write_text(points)
    monkeypatch.syspath_prepend(place)
    monkeypatch.setenv("PYTHONPATH", str(place))
    registry._foreign_models.cache_clear()
    try:
        asked = options(domains, model="Pop,NewcomerRec", baseline="Pop")
        plan = make_plan(asked)
        results, failed = run_jobs(plan.jobs(), "saved", LocalEngine(1), 2, quiet, show_progress=False)
        assert not failed
        (board,) = collect(plan, results, failed, {})["boards"]
        assert [comparison["variant"] for comparison in board["comparisons"]] == ["NewcomerRec"]
    finally:
        registry._foreign_models.cache_clear()


def test_a_dry_run_lists_the_jobs_and_runs_none(domains, capsys):
    asked = options(domains, seeds="1,2")
    assert main([*(f"--{key}={value}" for key, value in asked.items()), "--dry_run"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + 2 * 2 and "PositionSASRec on shop, seed 2" in lines[-1] and "--seeds=2" in lines[-1]
    assert not Path("saved", "leaderboard").exists()


@pytest.mark.parametrize(
    "asked", [{}, pytest.param({"compare_join": "true", "few_shot": "0.5,1"}, marks=pytest.mark.slow)]
)
def test_a_board_tells_of_joined_users_and_shows_the_joined_model(workplace, asked):
    people = write_people(workplace / "data", readers=40)
    joined = {"shared_users": json.dumps(JOINED["shared_users"]), "dataset": "films", **asked}
    plan = make_plan(options(people, metrics="NDCG", **joined))
    results, failed = work(plan.jobs(), InProcess())
    save_board(collect(plan, results, failed, {}), "board.json")
    saved = read_board("board.json")
    (board,) = saved["boards"]
    assert not failed and [row["model"] for row in board["rows"]] == ["Pop", "PositionSASRec"]
    (note,) = board["notes"]
    assert note.startswith("PositionSASRec: 40 of 60 users of films are joined with books: they bring 240 events")
    pop, ours = board["rows"]
    assert "joined" not in pop["buckets"]
    assert [(one["label"], one["users"]) for one in ours["buckets"]["joined"]] == [("joined", 40), ("not joined", 20)]
    (path,) = [path for job, path in results.items() if job.model == "PositionSASRec"]
    rows = json.loads(path.read_text())["variants"]
    assert len(rows) == (4 if asked else 1)
    assert ours["mean"] == rows["PositionSASRec@1" if asked else "PositionSASRec"]["test"]
    assert [one["mean"] for one in ours["few_shot"]] == [
        rows[f"PositionSASRec@{share}"]["test"] for share in (("0.5", "1") if asked else ())
    ]
    page = board_page(saved)
    assert all(note[:-1] in drawn for drawn in (board_text(saved), board_markdown(saved), page))
    for drawn in (board_text(saved), board_markdown(saved), board_latex(saved)):
        assert "joined, history 4 to 8 (40)" in drawn
    assert "by whether the user is joined with other domains" in page
    assert "of joined users by the number of the target&#39;s events" in page
