"""Tuning: spaces, trials in the study, resuming, pruning, and what the board tells of it."""

import pytest

optuna = pytest.importorskip("optuna")

from recbole_idp.leaderboard.plan import make_plan  # noqa: E402
from recbole_idp.leaderboard.schedule import run_chain  # noqa: E402
from recbole_idp.leaderboard.tuning import checked_spaces, choose_settings  # noqa: E402
from tests.leaderboard.test_leaderboard import InProcess, options, quiet  # noqa: E402

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
            raise Killed
        return super().start(arguments, folder, log)


def spaces_file(folder, text=SPACES):
    path = folder / "spaces.yaml"
    path.write_text(text)
    return str(path)


def tuned_plan(domains, **changes):
    given = {"model": "PositionSASRec", "n_layers": "1", "tune": "3", "tune_spaces": spaces_file(domains), **changes}
    return make_plan(options(domains, **given))


def tune(plan, engine, lines=quiet):
    """Tunes; returns the jobs of the board, what was chosen, and the engine that has run the trials."""

    def run(jobs, trials):
        run_chain(jobs, trials, plan.values["checkpoint_dir"], engine, 1, lines, show_progress=False)

    return choose_settings(plan, checked_spaces(plan), run)


def param_values(tuned):
    ((_, found),) = tuned.items()
    return [(trial["params"], trial["state"], trial["value"], trial["epochs"]) for trial in found["trials"]]


def test_the_defaults_are_tried_first_and_the_same_command_gives_the_same_trials(domains):
    plan = tuned_plan(domains)
    (default,) = plan.jobs()
    jobs, tuned = tune(plan, engine := InProcess())
    (found,) = tuned.values()
    first = found["trials"][0]
    assert first["params"] == {key: default.values[key] for key in ("learning_rate", "n_heads")}
    assert found["budget"] == len(found["trials"]) == len(engine.started) == 3
    assert all(trial["state"] == "complete" and trial["epochs"] == 2 for trial in found["trials"])
    assert len({trial["params"]["learning_rate"] for trial in found["trials"]}) == 3
    assert found["valid"] == max(trial["value"] for trial in found["trials"])
    assert found["importance"].keys() == {"learning_rate", "n_heads"} and sum(
        found["importance"].values()
    ) == pytest.approx(1)
    (job,) = jobs
    assert {key: job.values[key] for key in found["chosen"]} == found["chosen"]
    assert "--tune_trial" not in job.command() + " ".join(job.arguments())
    # The study is found again; and another one makes the same trials, of which the trainings are found again.
    assert tune(plan, engine := InProcess()) == (jobs, tuned) and not engine.started
    (study,) = (domains.parent / "saved" / "leaderboard" / "tuning").glob("*.sqlite3")
    study.unlink()
    assert tune(plan, engine := InProcess()) == (jobs, tuned) and not engine.started
    # More trials are added to those that are there, and fewer are the first of them.
    longer = param_values(tune(tuned_plan(domains, tune="4"), engine := InProcess())[1])
    assert len(engine.started) == 1 and longer[:3] == param_values(tuned)
    assert tune(plan, InProcess()) == (jobs, tuned)
