"""Run the jobs that have no result yet, several at a time, and show the progress."""

from __future__ import annotations

import signal
import statistics
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from tqdm import tqdm

from recbole_idp.leaderboard.job_folder import JobFolder
from recbole_idp.run.reports import PRUNED
from recbole_idp.terminal.progress import progress_bar

if TYPE_CHECKING:
    from recbole_idp.leaderboard.engines import LocalEngine, RayEngine
    from recbole_idp.leaderboard.job import Job


_SLOWEST = ("FDSA", "BERT4Rec", "SASRec", "GRU4Rec")
"""Models whose training on the target takes longest, the slowest first: RecBole trains a row for every event."""


class Chain(Protocol):
    """Jobs of which some are known only when others have ended."""

    def after(self, job: Job, result: Path | None, why: str | None) -> Job | None:
        """Take the result of a job, or why it has none, and return the job that follows it."""

    def left(self, job: Job) -> int:
        """Return how many jobs will follow a job, as far as is known."""


class _NoChain:
    """Jobs that are all known before."""

    def after(self, job: Job, result: Path | None, why: str | None) -> Job | None:
        return None

    def left(self, job: Job) -> int:
        return 0


def run_jobs(
    jobs: Sequence[Job],
    root: str | Path,
    engine: LocalEngine | RayEngine,
    at_a_time: int,
    report: Callable[[str], None] = tqdm.write,
    show_progress: bool = True,
) -> tuple[dict[Job, Path], dict[Job, str]]:
    """Run jobs until each has a result or has failed.

    A job that fails is reported, and the others go on. The slowest jobs start first, so that none of them runs alone
    at the end. Where a model is pre-trained, its other jobs wait for the first to end, and use what it has pre-trained.

    Args:
        jobs: The jobs.
        root: ``checkpoint_dir``.
        engine: The engine that runs them.
        at_a_time: Number of jobs that run at once.
        report: Function that is called with a line for each job that has ended.
        show_progress: Whether to show a progress bar.

    Returns:
        The result files, and why the others have none, both in the order of ``jobs``.

    Raises:
        UserError: An existing result cannot be used.
    """
    results = {job: path for job in jobs if (path := JobFolder(root, job).result())}
    if results:
        report(f"{len(results)} of {len(jobs)} jobs were finished before, with the same data and settings")
    waiting = [job for job in jobs if job not in results]
    found, failed = run_chain(waiting, _NoChain(), root, engine, at_a_time, report, show_progress, len(results))
    results |= found
    return {job: results[job] for job in jobs if job in results}, {job: failed[job] for job in jobs if job in failed}


def run_chain(
    jobs: Sequence[Job],
    chain: Chain,
    root: str | Path,
    engine: LocalEngine | RayEngine,
    at_a_time: int,
    report: Callable[[str], None] = tqdm.write,
    show_progress: bool = True,
    finished: int = 0,
) -> tuple[dict[Job, Path], dict[Job, str]]:
    """Run jobs, whatever results they have, and those that follow them.

    Args:
        jobs: The first jobs.
        chain: What follows them.
        root: As of :func:`run_jobs`.
        engine: As of :func:`run_jobs`.
        at_a_time: As of :func:`run_jobs`.
        report: As of :func:`run_jobs`.
        show_progress: As of :func:`run_jobs`.
        finished: Number of jobs that were finished before, for the progress bar.

    Returns:
        As :func:`run_jobs`, in the order in which jobs have ended.
    """
    waiting = list(jobs)
    running: dict[Any, Job] = {}
    results: dict[Job, Path] = {}
    failed: dict[Job, str] = {}
    started: dict[Job, float] = {}
    spent: dict[Job, float] = {}
    total = finished + len(jobs) + sum(map(chain.left, jobs))
    bar = progress_bar(shown=show_progress, total=total, initial=finished, desc="Jobs", unit="job", ncols=100)
    try:
        while waiting or running:
            while len(running) < at_a_time and (job := _next(waiting, running.values(), results, failed)):
                waiting.remove(job)
                folder = JobFolder(root, job)
                folder.prepare()
                handle = engine.start(job.arguments(), folder.path, folder.log)
                running[handle], started[job] = job, time.monotonic()
            now = time.monotonic()
            to_come = [*waiting, *(job for job in (*waiting, *running.values()) for _ in range(chain.left(job)))]
            bar.set_postfix_str(_postfix(to_come, {job: now - started[job] for job in running.values()}, spent))
            handle, status = engine.wait(list(running))
            job = running.pop(handle)
            folder, spent[job] = JobFolder(root, job), time.monotonic() - started[job]
            path = folder.result() if status == 0 else None
            why: str | None = None
            if path:
                results[job] = path
                report(f"{job.name}: done in {spent[job]:.0f} s")
            else:
                failed[job] = why = folder.last_line() if status >= 0 else _struck(-status)
                said = "ended early" if status == PRUNED else "failed"
                report(f"{job.name}: {said} ({why}); its log is {folder.log}")
            if (following := chain.after(job, path, why)) is not None:
                waiting.append(following)
            bar.update()
    except BaseException:
        engine.stop(list(running))
        raise
    finally:
        bar.close()
    return results, failed


def _struck(number: int) -> str:
    """Return what a signal has done to a job, whose log does not say why it failed."""
    name = signal.Signals(number).name
    hint = ", as the system does where memory runs out" if number == signal.SIGKILL else ""
    return f"it was ended by {name}{hint}"


def _next(
    waiting: Sequence[Job], running: Collection[Job], results: Collection[Job], failed: Collection[Job]
) -> Job | None:
    """Return the job that should start now, or None."""
    ended = {job.model for job in (*results, *failed)}

    def pretrains(job: Job) -> bool:
        return job.transfers and job.model not in ended

    pretraining = {job.model for job in running if pretrains(job)}
    allowed = [job for job in waiting if job.model not in pretraining]
    # Two models that are pre-trained at once would encode the same texts, and one would wait for the other.
    return min(allowed, key=lambda job: (pretrains(job) == bool(pretraining), _slowness(job.model)), default=None)


def _slowness(model: str) -> int:
    """Return a model's place among the slowest; all others share the place after them."""
    return _SLOWEST.index(model) if model in _SLOWEST else len(_SLOWEST)


def seconds_left(waiting: Sequence[Job], running: Mapping[Job, float], spent: Mapping[Job, float]) -> float | None:
    """Estimate how long the jobs that have not ended will take, from those that have.

    A job is expected to take as long as the others of its model on its dataset, or else of its model, or else of all.

    Args:
        waiting: Jobs that have not been started.
        running: For how long others have been running, in seconds.
        spent: How long those took that have ended, in seconds.

    Returns:
        Seconds of wall time, as many jobs running at a time as now; None where none has ended.
    """
    if not spent:
        return None

    def expected(job: Job) -> float:
        like: tuple[list[str], ...] = ([job.model, job.dataset], [job.model], [])
        known = ([taken for one, taken in spent.items() if [one.model, one.dataset][: len(key)] == key] for key in like)
        return statistics.fmean(next(filter(None, known)))

    left = [*map(expected, waiting), *(max(0.0, expected(job) - so_far) for job, so_far in running.items())]
    return sum(left) / max(1, len(running))


def _postfix(waiting: Sequence[Job], running: Mapping[Job, float], spent: Mapping[Job, float]) -> str:
    left = seconds_left(waiting, running, spent)
    said = f"{len(running)} running, {len(waiting)} waiting"
    return said if left is None else f"{said}, about {left / 60:.0f} min left"
