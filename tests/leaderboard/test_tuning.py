"""Tuning: spaces, trials in the study, resuming, pruning, and what the board tells of it."""

import json
import sys
from pathlib import Path

import pytest

from recbole_idp.cli.main import main
from recbole_idp.config.layers import Layer
from recbole_idp.config.resolve import resolve
from recbole_idp.leaderboard.collect import collect
from recbole_idp.leaderboard.engines import LocalEngine
from recbole_idp.leaderboard.plan import make_plan
from recbole_idp.leaderboard.schedule import run_chain, run_jobs
from recbole_idp.leaderboard.space import Choice, Numbers, read_spaces, written
from recbole_idp.leaderboard.study import RowStudy
from recbole_idp.leaderboard.tuning import checked_spaces, choose_settings
from recbole_idp.report.board.file import read_board, save_board
from recbole_idp.report.board.page import board_page
from recbole_idp.report.board.text import board_text
from recbole_idp.report.displayed.leaderboard import read_leaderboard
from recbole_idp.run.reports import OPTUNA_REMEDY, PRUNED, Pruned, Reporter
from tests.leaderboard.test_leaderboard import InProcess, options, quiet
from tests.support.commands import refusal, refused

optuna = pytest.importorskip("optuna")

SPACES = """
PositionSASRec:
  learning_rate: {log: [0.0001, 0.1]}
  n_heads: {choice: [1, 2]}
"""


class Killed(Exception):
    """Ends a leaderboard in a test."""


class Mortal(InProcess):
    """Runs jobs until so many were started; the last one is begun and not ended."""

    def __init__(self, most):
        super().__init__()
        self.most = most

    def start(self, arguments, folder, log):
        if len(self.started) == self.most:
            self.started.append(arguments)
            raise Killed
        return super().start(arguments, folder, log)


def spaces_file(folder, text=SPACES):
    path = folder / "spaces.yaml"
    path.write_text(text)
    return str(path)


def tuned_plan(domains, **changes):
    spaces = changes.pop("tune_spaces", None) or spaces_file(domains)
    return make_plan(options(domains, **{"model": "PositionSASRec", "tune": "2", "tune_spaces": spaces, **changes}))


def tune(plan, engine, lines=quiet):
    """Tunes; returns the jobs of the board, what was chosen, and the engine that has run the trials."""

    def run(jobs, trials):
        run_chain(jobs, trials, plan.values["checkpoint_dir"], engine, 1, lines, show_progress=False)

    return choose_settings(plan, checked_spaces(plan), run)


@pytest.mark.slow
def test_the_same_command_gives_the_same_trials_and_the_board_shows_them(domains):
    plan = tuned_plan(domains, model="PositionSASRec,Pop", seeds="1,2")
    default = plan.jobs()[0]
    jobs, tuned = tune(plan, engine := InProcess())
    (found,) = tuned.values()
    first, other = found["trials"]
    assert first["params"] == {key: default.values[key] for key in ("learning_rate", "n_heads")}
    assert found["budget"] == len(engine.started) == 2
    assert all(trial["state"] == "complete" and trial["epochs"] == 2 for trial in found["trials"])
    assert first["params"] != other["params"]
    assert found["valid"] == max(trial["value"] for trial in found["trials"])
    assert {key: jobs[0].values[key] for key in found["chosen"]} == found["chosen"]
    assert "--tune_trial" not in jobs[0].command() + " ".join(jobs[0].arguments())
    # The study is found again; and another one makes the same trials, of which the trainings are found again.
    again = InProcess()
    assert tune(plan, again) == (jobs, tuned) and not again.started
    (study,) = Path("saved", "leaderboard", "tuning").glob("*.sqlite3")
    study.unlink()
    again = InProcess()
    assert tune(plan, again) == (jobs, tuned) and not again.started
    # More trials are added to those that are there, and fewer are the first of them.
    more = tuned_plan(domains, model="PositionSASRec,Pop", seeds="1,2", tune="3")
    (longer,) = tune(more, again)[1].values()
    assert len(again.started) == 1 and longer["trials"][:2] == found["trials"]
    assert tune(plan, InProcess()) == (jobs, tuned)

    results, failed = run_jobs(jobs, "saved", engine := InProcess(), 1, quiet, show_progress=False)
    # The best trial is the job of the first seed.
    assert not failed and len(engine.started) == 3
    save_board(collect(plan, results, failed, tuned), "board.json")
    saved = read_board("board.json")
    (board,) = saved["boards"]
    rows = {row["model"]: row for row in board["rows"]}
    assert rows["Pop"]["tuned"] is None
    note = "Tuned with 2 trials each, on validation with seed 1: PositionSASRec; not tuned: Pop."
    assert note in board["notes"] and note in board_text(saved).replace("\n", " ")
    page = board_page(saved)
    assert "How PositionSASRec was tuned" in page and "Trials of PositionSASRec on shop" in page
    frame = read_leaderboard("board.json").trials()
    assert list(frame["value"]) == [trial["value"] for trial in found["trials"]]
    assert set(frame.columns) == {"value", "state", "epochs", "learning_rate", "n_heads"}


@pytest.mark.slow
def test_a_killed_trial_is_tried_again_and_the_study_ends_like_another_one(domains, monkeypatch):
    plan = tuned_plan(domains)
    (default,), whole = plan.jobs(), tune(plan, InProcess())
    first = whole[1]["PositionSASRec", "shop"]["trials"][0]
    assert first["params"] == {key: default.values[key] for key in ("learning_rate", "n_heads")}
    monkeypatch.chdir(domains)
    killed = Mortal(1)
    with pytest.raises(Killed):
        tune(plan, killed)
    (file,) = Path("saved", "leaderboard", "tuning").glob("*.sqlite3")
    # Told, before the training was killed in its second epoch.
    Reporter(f"{file}#1")(0, 0.25)
    engine = InProcess()
    assert tune(plan, engine) == whole
    assert words(engine.started[0])["learning_rate"] == words(killed.started[-1])["learning_rate"]
    assert len(engine.started) == 1
    states = [trial.state.name for trial in optuna.load_study(study_name=None, storage=f"sqlite:///{file}").trials]
    assert states == ["COMPLETE", "FAIL", "COMPLETE"]


def words(arguments):
    return dict(word.removeprefix("--").split("=", 1) for word in arguments)


def study(folder, space=None, first=None, pruner="median", metric="NDCG@5"):
    space = space or {"learning_rate": Numbers(0.001, 0.1, True, False), "kind": Choice(("a", "b"))}
    first = first or {"learning_rate": 0.01, "kind": "b"}
    return RowStudy(folder / "study.sqlite3", "one", space, first, metric, pruner, 1)


def complete(trials, budget, curve=(0.1, 0.2, 0.3, 0.4, 0.5)):
    """Ends trials until so many have ended; returns what was tried."""
    found = []
    while (begun := trials.begin(budget)) is not None:
        trials.replay(begun.number, list(enumerate(curve)), max(curve))
        found.append(begun.params)
    return found


def test_a_trial_that_falls_behind_ends_early(tmp_path):
    trials = study(tmp_path)
    complete(trials, 5)
    place = f"{tmp_path / 'study.sqlite3'}#{trials.begin(7).number}"
    report = Reporter(place)
    for epoch in range(3):
        # The first epochs are not judged.
        report(epoch, 0.05)
    with pytest.raises(Pruned, match="pruned after 4 epochs"):
        report(3, 0.39)
    assert Pruned("x").exit_status == PRUNED == 3
    assert report.reported() == [(0, 0.05), (1, 0.05), (2, 0.05), (3, 0.39)]
    *_, last = trials.trials(7)
    assert (last["state"], last["value"], last["epochs"]) == ("pruned", 0.39, 4)
    # Whoever trains the same again is refused; what is known of a training ends as the training would.
    assert "has ended" in refusal(Reporter, place)
    complete(trials, 7, curve=(0.0, 0.0, 0.0, 0.0, 0.9))
    assert [trial["state"] for trial in trials.trials(7)] == ["complete"] * 5 + ["pruned"] * 2
    assert trials.best(7)["trial"] == 0


@pytest.mark.slow
def test_nothing_ends_early_without_a_pruner_and_the_smaller_may_be_the_better(tmp_path):
    trials = study(tmp_path, pruner="none", metric="RMSE")
    complete(trials, 5)
    complete(trials, 6, curve=(0.9, 0.9, 0.9, 0.9, 0.2))
    assert [trial["state"] for trial in trials.trials(6)] == ["complete"] * 6
    begun = trials.begin(8)
    trials.finish(begun.number, 0.1)
    assert trials.best(8)["trial"] == 6 and trials.best(6)["value"] == 0.5


def test_a_failed_trial_is_one_of_the_budget_and_tried_again_by_the_next_command(tmp_path):
    trials = study(tmp_path)
    complete(trials, 1)
    failed = trials.begin(3)
    trials.fail(failed.number, "out of memory")
    assert len(complete(trials, 3)) == 1 and trials.begin(3) is None
    assert [(trial["state"], trial["error"]) for trial in trials.trials(3)] == [
        ("complete", None),
        ("failed", "out of memory"),
        ("complete", None),
    ]
    again = study(tmp_path)
    assert complete(again, 3) == [failed.params]
    assert [trial["state"] for trial in again.trials(3)] == ["complete"] * 3 and again.begin(3) is None
    assert again.trials(2) == again.trials(3)[:2]


@pytest.mark.slow
def test_a_study_that_was_interrupted_tries_what_another_one_does(tmp_path):
    (tmp_path / "other").mkdir()
    whole = complete(study(tmp_path), 7)
    found = []
    for budget in (2, 7):
        trials = study(tmp_path / "other")
        found += complete(trials, budget)
        # Killed: the next one finds it again.
        trials.begin(budget + 1)
    assert found == whole and len({one["learning_rate"] for one in whole}) == 7


@pytest.mark.slow
def test_the_importance_is_that_of_the_key_that_decides(tmp_path):
    trials = study(tmp_path)
    while (begun := trials.begin(12)) is not None:
        trials.finish(begun.number, -begun.params["learning_rate"])
    importance = trials.importance(12)
    assert importance["learning_rate"] > 0.8 and sum(importance.values()) == pytest.approx(1)
    assert trials.importance(12) == importance and trials.importance(1) == {}


def test_a_damaged_study_is_refused_by_name(domains):
    plan = tuned_plan(domains, tune="1")
    tune(plan, InProcess())
    (file,) = Path("saved", "leaderboard", "tuning").glob("*.sqlite3")
    file.write_bytes(b"no database" * 100)
    assert f"cannot open the study {file}" in refusal(tune, plan, InProcess())


def test_every_space_holds_the_defaults_of_its_model_and_fits_it(domains):
    for model, space in read_spaces(None).items():
        values = resolve([], model, "shop").values
        for key, found in space.items():
            assert found.holds(values[key]), (model, key, written(found))
        for end in (0, -1):
            resolve([Layer("test", {key: found.extremes()[end] for key, found in space.items()})], model, "shop")
    plan = make_plan(options(domains, model="Pop,SASRec,BERT4Rec,ItemKNN", hidden_size="16", tune="2"))
    assert {row for row, _ in checked_spaces(plan)} == {"SASRec", "BERT4Rec", "ItemKNN"}


def test_values_that_are_given_are_not_searched(domains):
    own = "{other: {model: PositionSASRec, n_heads: 1}}"
    asked = {"model": "PositionSASRec,other,Pop", "model_options": own}
    spaces = checked_spaces(tuned_plan(domains, **asked))
    assert {row: list(space) for (row, _), space in spaces.items()} == {
        "PositionSASRec": ["learning_rate", "n_heads"],
        "other": ["learning_rate"],
    }
    (space,) = checked_spaces(tuned_plan(domains, learning_rate="0.01")).values()
    assert list(space) == ["n_heads"]
    assert "nothing to search" in refusal(checked_spaces, tuned_plan(domains, learning_rate="0.01", n_heads="1"))
    assert checked_spaces(tuned_plan(domains, tune="0")) == {}


@pytest.mark.parametrize(
    ("space", "said"),
    [
        ("{SASRek: {learning_rate: {log: [0.1, 1]}}}", "SASRek"),
        ("{PositionSASRec: 3}", "write a map of its keys"),
        ("{PositionSASRec: {learning_rate: 0.1}}", "write a range such as"),
        ("{PositionSASRec: {learning_rate: {lok: [0.1, 1]}}}", "did you mean log?"),
        ("{PositionSASRec: {learning_rate: {log: [0.1]}}}", "the lowest and the highest number"),
        ("{PositionSASRec: {learning_rate: {log: [a, b]}}}", "the lowest and the highest number"),
        ("{PositionSASRec: {learning_rate: {log: [1, 0.1]}}}", "the lowest has to be less"),
        ("{PositionSASRec: {learning_rate: {log: [0, 0.1]}}}", "numbers above 0"),
        ("{PositionSASRec: {n_heads: {int: [1, 2.5]}}}", "whole numbers"),
        ("{PositionSASRec: {n_heads: {choice: [1]}}}", "several values"),
        ("{PositionSASRec: {n_heads: {choice: [1, 1]}}}", "a value twice"),
        ("{PositionSASRec: {n_heads: {choice: [[1], [2]]}}}", "no lists or maps"),
        ("{PositionSASRec: {n_headz: {choice: [1, 2]}}}", "did you mean n_heads?"),
        ("{PositionSASRec: {valid_metric: {choice: [NDCG@5, MRR@5]}}}", "which no training chooses"),
        ("{PositionSASRec: {show_progress: {choice: [true, false]}}}", "which no training chooses"),
        ("{PositionSASRec: {learning_rate: {log: [0.01, 0.1]}}}", "without its default 0.001"),
        ("{PositionSASRec: {hidden_dropout_prob: {uniform: [0.1, 1.5]}}}", "hidden_dropout_prob must be"),
        ("{PositionSASRec: {n_heads: {choice: [2, 3]}}}", "no multiple of n_heads 3"),
    ],
)
def test_mistakes_in_a_space_are_refused_in_one_line(domains, space, said):
    plan = tuned_plan(domains, tune_spaces=spaces_file(domains, space))
    assert said in refusal(checked_spaces, plan)


def test_a_file_of_spaces_that_is_not_there_or_no_optuna_is_refused_before_work(domains, capfd, monkeypatch):
    asked = options(domains, model="PositionSASRec,Pop", tune="2")
    arguments = [f"--{key}={value}" for key, value in asked.items()]
    refused(capfd, [*arguments, "--tune_spaces=none.yaml", "--dry_run"], "tune_spaces none.yaml is no file")
    monkeypatch.setitem(sys.modules, "optuna", None)
    refused(capfd, arguments, "tune needs Optuna", OPTUNA_REMEDY)
    assert not Path("saved", "leaderboard").exists()


class Ended:
    """Starts nothing, and ends each job as a pruned one, whose child has told the study."""

    def start(self, arguments, folder, log):
        log.write_text("recbole-idp: pruned after 4 epochs")
        return words(arguments)["tune_trial"]

    def wait(self, running):
        number = running[0].rpartition("#")[2]
        reporter = Reporter(running[0])
        reporter(0, 0.5)
        if int(number):
            reporter.study.tell(int(number), state=optuna.trial.TrialState.PRUNED)
        return running[0], PRUNED if int(number) else 1

    def stop(self, running):
        pass


def test_the_scheduler_takes_what_a_study_has_ended_for_no_failure(domains):
    lines = []
    jobs, tuned = tune(tuned_plan(domains, tune="3"), Ended(), lines.append)
    assert ["failed" in line for line in lines] == [True, False, False]
    assert "trial 1: ended early (recbole-idp: pruned after 4 epochs)" in lines[1]
    # Where no trial is complete, the defaults are trained.
    assert not tuned and jobs == tuned_plan(domains).jobs()


@pytest.mark.slow
def test_a_process_that_falls_behind_is_ended_and_leaves_nothing(domains):
    (job,) = tuned_plan(domains, epochs="6", stopping_step="6").jobs()
    (domains / "elsewhere").mkdir()
    trials = study(domains / "elsewhere")
    # Better than any can be: what is trained beside them falls behind.
    complete(trials, 5, curve=(2.0, 2.0, 2.0, 2.0, 2.0, 2.0))
    place = f"{trials.file}#{trials.begin(6).number}"
    log = domains / "job.log"
    before = set(Path("saved").rglob("*.safetensors"))
    process = LocalEngine(1).start([*job.arguments(), f"--tune_trial={place}"], domains / "out", log)
    assert process.wait() == PRUNED
    assert log.read_text().splitlines()[-1].endswith("half of the trials before were better by then")
    assert not (domains / "out").exists() or not list((domains / "out").glob("*.json"))
    assert set(Path("saved").rglob("*.safetensors")) == before and not list(Path("saved").glob("unfinished-*"))
    assert [trial["state"] for trial in trials.trials(6)][-1] == "pruned"


@pytest.mark.slow
def test_a_tuned_leaderboard_in_processes_side_by_side(domains, capfd):
    asked = options(domains, model="Pop,ItemKNN", tune="2", jobs="2")
    arguments = [f"--{key}={value}" for key, value in asked.items()]
    boards = []
    for _ in range(2):
        assert main([*arguments, "--show_progress=false"]) == 0
        path = max(Path("results").glob("leaderboard-*.json"), key=lambda found: found.stat().st_mtime_ns)
        boards.append(read_board(path)["boards"])
    (board,) = boards[0]
    tuned = {row["model"]: row["tuned"] for row in board["rows"]}
    assert tuned["ItemKNN"]["budget"] == len(tuned["ItemKNN"]["trials"]) == 2 and tuned["Pop"] is None
    assert json.dumps(boards[0]) == json.dumps(boards[1])
    assert path.with_suffix(".html").is_file() and path.with_suffix(".tex").is_file()
