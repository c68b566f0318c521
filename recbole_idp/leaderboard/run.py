"""Run a leaderboard: several models, datasets or seeds in one command."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from recbole_idp.errors import UserError
from recbole_idp.hub.address import is_address
from recbole_idp.hub.download import local_folder
from recbole_idp.leaderboard.collect import collect
from recbole_idp.leaderboard.engines import ENGINES
from recbole_idp.leaderboard.plan import make_plan
from recbole_idp.leaderboard.schedule import run_chain, run_jobs
from recbole_idp.leaderboard.tuning import Trials, checked_spaces, choose_settings
from recbole_idp.report.board.file import save_board
from recbole_idp.report.board.redraw import redraw
from recbole_idp.storage.files import check_writable, unused

if TYPE_CHECKING:
    from pathlib import Path

    from recbole_idp.leaderboard.job import Job
    from recbole_idp.leaderboard.plan import Plan


def leaderboard(options: dict[str, Any]) -> int:
    """Run a leaderboard: train what has no result yet, and write the JSON file, the tables and the page.

    Args:
        options: Options of the command line.

    Returns:
        The exit status: 0, or 1 where a job has failed.

    Raises:
        UserError: An option is wrong, or nothing could be trained.
    """
    path, failed = make_board(options)
    redraw(path)
    return 1 if failed else 0


def make_board(options: dict[str, Any]) -> tuple[Path, dict[Job, str]]:
    """Train what has no result yet, and write the JSON file.

    Args:
        options: Options of the command line.

    Returns:
        The file; the jobs that have failed, and why.

    Raises:
        UserError: An option is wrong, or nothing could be trained.
    """
    plan = make_plan(options)
    fetch_given(plan)
    for key in ("checkpoint_dir", "result_dir"):
        check_writable(key, plan.values[key])
    jobs_at_a_time = plan.values["jobs"]
    threads = plan.values["threads"] or os.cpu_count() or 1
    engine = ENGINES[plan.values["engine"]](max(1, threads // jobs_at_a_time))

    root, shown = plan.values["checkpoint_dir"], plan.values["show_progress"]

    def run_trials(jobs: Sequence[Job], trials: Trials) -> None:
        run_chain(jobs, trials, root, engine, jobs_at_a_time, show_progress=shown)

    # All are made before the first is run, so that a mistake in the last shows at once.
    jobs, spaces = plan.jobs(), checked_spaces(plan)
    tuned: dict[tuple[str, str], dict[str, Any]] = {}
    if spaces:
        jobs, tuned = choose_settings(plan, spaces, run_trials)
    results, failed = run_jobs(jobs, root, engine, jobs_at_a_time, show_progress=shown)
    if not results:
        raise UserError(f"no job of the leaderboard was finished: {next(iter(failed.values()))}")
    path = unused(plan.values["result_dir"], f"leaderboard-{time.strftime('%b-%d-%Y_%H-%M-%S')}", ".json")
    save_board(collect(plan, results, failed, tuned), path)
    return path, failed


def fetch_given(plan: Plan) -> None:
    """Fetch the folders of the hub that options name, once, so that all jobs use the same commits."""
    for given in (plan.options, *plan.values["model_options"].values()):
        if is_address(given.get("pretrained")):
            given["pretrained"] = str(local_folder(given["pretrained"]))
