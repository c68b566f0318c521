"""Runs the jobs that have no result yet, several at a time, and says how far it is."""

import statistics
import time

from tqdm import tqdm

from recbole_idp.leaderboard.job_folder import JobFolder

_SLOWEST = ("FDSA", "BERT4Rec", "SASRec", "GRU4Rec")
"""Models that take longest on the target, the slowest first: a row of RecBole's is trained for every event."""


def run_jobs(jobs, root, engine, at_a_time, report=tqdm.write, show_progress=True):
    """Runs jobs until each has a result or has failed.

    A job that failed is reported and stops no other. What takes longest starts early, so that it does not run alone at
    the end. Where a model is pre-trained, the others of its jobs wait for the end of the first: what it pre-trains is
    there for them.

    Args:
        jobs (list[Job]): The jobs.
        root (str | Path): ``checkpoint_dir``.
        engine (LocalEngine | RayEngine): Runs them.
        at_a_time (int): How many run at once.
        report (Callable[[str], None]): Takes a line for each job that has ended.
        show_progress (bool): Whether to show a progress bar.

    Returns:
        tuple[dict[Job, Path], dict[Job, str]]: The result files, and why the others have none, both in the order of
        ``jobs``.

    Raises:
        UserError: A result that is there cannot be used.
    """
    folders = {job: JobFolder(root, job) for job in jobs}
    results = {job: path for job in jobs if (path := folders[job].result())}
    waiting = [job for job in jobs if job not in results]
    running, failed, started, spent = {}, {}, {}, {}
    if results:
        report(f"{len(results)} of {len(jobs)} jobs were finished before, with the same data and settings")
    bar = tqdm(total=len(jobs), initial=len(results), desc="Jobs", unit="job", ncols=100, disable=not show_progress)
    try:
        while waiting or running:
            while len(running) < at_a_time and (job := _next(waiting, running.values(), results, failed)):
                waiting.remove(job)
                folders[job].prepare()
                handle = engine.start(job.arguments(), folders[job].path, folders[job].log)
                running[handle], started[job] = job, time.monotonic()
            now = time.monotonic()
            bar.set_postfix_str(_postfix(waiting, {job: now - started[job] for job in running.values()}, spent))
            handle, status = engine.wait(list(running))
            job = running.pop(handle)
            spent[job] = time.monotonic() - started[job]
            path = folders[job].result() if status == 0 else None
            if path:
                results[job] = path
                report(f"{job.name}: done in {spent[job]:.0f} s")
            else:
                failed[job] = folders[job].last_line()
                report(f"{job.name}: failed ({failed[job]}); its log is {folders[job].log}")
            bar.update()
    except BaseException:
        engine.stop(list(running))
        raise
    finally:
        bar.close()
    return tuple({job: found[job] for job in jobs if job in found} for found in (results, failed))


def _next(waiting, running, results, failed):
    """Returns the job that should start now, or None."""
    ended = {job.model for job in (*results, *failed)}

    def pretrains(job):
        return job.transfers and job.model not in ended

    pretraining = {job.model for job in running if pretrains(job)}
    allowed = [job for job in waiting if job.model not in pretraining]
    # Two models that are pre-trained at once would encode the same texts, and one would wait for the other.
    return min(allowed, key=lambda job: (pretrains(job) == bool(pretraining), _slowness(job.model)), default=None)


def _slowness(model):
    """Returns a model's place among the slowest; one behind them for all others."""
    return _SLOWEST.index(model) if model in _SLOWEST else len(_SLOWEST)


def seconds_left(waiting, running, spent):
    """Estimates how long the jobs that have not ended will take, by those that have.

    A job is expected to take as long as the others of its model on its dataset, or else of its model, or else of all.

    Args:
        waiting (list[Job]): Jobs that have not been started.
        running (dict[Job, float]): For how long others have been running, in seconds.
        spent (dict[Job, float]): How long those took that have ended, in seconds.

    Returns:
        float | None: Seconds of wall time, as many jobs running at a time as now; None where none has ended.
    """
    if not spent:
        return None

    def expected(job):
        like = ([job.model, job.dataset], [job.model], [])
        known = ([taken for one, taken in spent.items() if [one.model, one.dataset][: len(key)] == key] for key in like)
        return statistics.fmean(next(filter(None, known)))

    left = [*map(expected, waiting), *(max(0.0, expected(job) - so_far) for job, so_far in running.items())]
    return sum(left) / max(1, len(running))


def _postfix(waiting, running, spent):
    left = seconds_left(waiting, running, spent)
    said = f"{len(running)} running, {len(waiting)} waiting"
    return said if left is None else f"{said}, about {left / 60:.0f} min left"
