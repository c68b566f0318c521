"""A fair search: for every row that has a space the same number of trials, chosen on validation alone."""

from __future__ import annotations

import contextlib
import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recbole_idp.config.declarations import affected, model_settings
from recbole_idp.config.setting import Affects
from recbole_idp.data.keys import joined_with
from recbole_idp.errors import UserError, nearest
from recbole_idp.evaluation.metrics import best_of
from recbole_idp.leaderboard.job_folder import JobFolder, load
from recbole_idp.leaderboard.plan import SAME_FOR_ALL
from recbole_idp.leaderboard.space import read_spaces, written
from recbole_idp.leaderboard.study import RowStudy, optuna_version
from recbole_idp.report.result import with_join
from recbole_idp.run.keys import AUTO
from recbole_idp.storage.files import fingerprint, refusing_failed_writes
from recbole_idp.storage.locks import alone_at_once

if TYPE_CHECKING:
    from recbole_idp.leaderboard.job import Job
    from recbole_idp.leaderboard.plan import Plan
    from recbole_idp.leaderboard.space import Space

Cell = tuple[str, str]
"""A row and a dataset."""


def checked_spaces(plan: Plan) -> dict[Cell, Space]:
    """Read the spaces that a leaderboard searches, and check them before any work.

    Args:
        plan: The plan of the leaderboard.

    Returns:
        The space of each row on each dataset, without the keys that the user has given a value; none for a row without
        one. Empty where ``tune`` is 0.

    Raises:
        UserError: Optuna is missing, or a space does not fit its model.
    """
    if not plan.values["tune"]:
        return {}
    optuna_version()
    spaces = read_spaces(plan.values["tune_spaces"])
    found = {}
    for row, model in plan.rows.items():
        given = {*plan.options, *plan.values["model_options"].get(row, {})}
        for dataset in plan.datasets:
            space = spaces.get(model, {})
            _check_keys(space, model, dataset)
            space = {key: values for key, values in space.items() if key not in given}
            if space:
                _check_values(plan, row, dataset, space)
                found[row, dataset] = space
    if not found:
        raise UserError(
            f"tune finds nothing to search for {', '.join(plan.rows)}: remove --tune, or give spaces of these models "
            "with --tune_spaces=FILE, and no values of their keys"
        )
    return found


def _check_keys(space: Space, model: str, dataset: str) -> None:
    """Check that what a space searches are keys by which trainings of one board may differ."""
    settings = model_settings(model, dataset)
    for key in space:
        if key not in settings:
            close = nearest(key, settings)
            hint = f"did you mean {close[0]}?" if close else f"the task 'keys {model}' lists its keys"
            raise UserError(f"the space of {model} has the unknown key {key}: {hint}")
        learns = affected(model, key) & (Affects.TRAINING | Affects.PRETRAINING)
        if key in (*SAME_FOR_ALL, "model", "dataset", "seed", "seeds", "variants", "few_shot") or not learns:
            raise UserError(f"the space of {model} has {key}, which no training chooses: remove it there")


def _check_values(plan: Plan, row: str, dataset: str, space: Space) -> None:
    """Check that the defaults lie in a space, and that the model takes its extremes."""
    model, defaults = plan.rows[row], plan.job(row, dataset, plan.seeds[0]).values
    for key, values in space.items():
        if not values.holds(defaults[key]):
            raise UserError(
                f"the space of {model} has {key} {written(values)}, without its default {defaults[key]}, which is the "
                "first trial: widen it"
            )
        for value in values.extremes():
            try:
                plan.job(row, dataset, plan.seeds[0], **{key: value})
            except UserError as error:
                raise UserError(f"the space of {model} has {key} {written(values)}: {error}") from None


def choose_settings(
    plan: Plan, spaces: Mapping[Cell, Space], run: Callable[[list[Job], Trials], object]
) -> tuple[list[Job], dict[Cell, dict[str, Any]]]:
    """Try settings for every row and dataset that has a space, and take the best on validation.

    Args:
        plan: The plan of the leaderboard; its key ``tune`` is the budget.
        spaces: What :func:`checked_spaces` returned.
        run: Function that runs the first trials and those that follow, as
            :func:`~recbole_idp.leaderboard.schedule.run_chain` does.

    Returns:
        The jobs of all seeds with the chosen settings; and by row and dataset ``budget``, ``space``, ``trials``,
        ``importance`` (as of :class:`~recbole_idp.leaderboard.study.RowStudy`), ``chosen`` and ``valid``.

    Raises:
        UserError: Another leaderboard is working on a study, or its file is damaged.
    """
    budget = plan.values["tune"]
    chosen: dict[Cell, dict[str, Any]] = {}
    tuned = {}
    with contextlib.ExitStack() as locks:
        studies = {cell: locks.enter_context(_study(plan, cell, space)) for cell, space in spaces.items()}
        trials = Trials(plan, studies)
        run(trials.first(), trials)
        for cell, study in studies.items():
            best = study.best(budget)
            if best is not None:
                chosen[cell] = best["params"]
                tuned[cell] = {
                    "budget": budget,
                    "space": {key: written(found) for key, found in study.space.items()},
                    "trials": study.trials(budget),
                    "importance": study.importance(budget),
                    "chosen": best["params"],
                    "valid": best["value"],
                }
    jobs = [
        plan.job(row, dataset, seed, **chosen.get((row, dataset), {}))
        for dataset in plan.datasets
        for row in plan.rows
        for seed in plan.seeds
    ]
    return jobs, tuned


@contextlib.contextmanager
def _study(plan: Plan, cell: Cell, space: Space) -> Iterator[RowStudy]:
    """Open the study of a row on a dataset, for one leaderboard at a time."""
    row, dataset = cell
    pruner, seed = plan.values["tune_pruner"], plan.seeds[0]
    ranges = {key: written(found) for key, found in space.items()}
    job = plan.job(row, dataset, seed)
    # Trials of another version of Optuna would have been others.
    digits = fingerprint([row, job.fingerprint, ranges, pruner, optuna_version()])
    name = f"{re.sub('[^A-Za-z0-9]+', '-', f'{row}-{dataset}')}-{digits}"
    file = Path(plan.values["checkpoint_dir"]) / "leaderboard" / "tuning" / f"{name}.sqlite3"
    with refusing_failed_writes(file):
        file.parent.mkdir(parents=True, exist_ok=True)
    with alone_at_once(file.with_suffix(".lock")) as free:
        if not free:
            raise UserError(f"another leaderboard is tuning {row} on {dataset} ({file}): wait until it has ended")
        first = {key: job.values[key] for key in space}
        yield RowStudy(file, f"{row} on {dataset}", space, first, plan.metric, pruner, seed)


class Trials:
    """The trials of a leaderboard: of each row on each dataset one after the other.

    Args:
        plan: The plan of the leaderboard.
        studies: The study of each row on each dataset.
    """

    def __init__(self, plan: Plan, studies: Mapping[Cell, RowStudy]) -> None:
        self.plan, self.studies, self.budget = plan, studies, plan.values["tune"]

    def first(self) -> list[Job]:
        """Begin the first trial of each study that has not ended."""
        return [job for cell in self.studies if (job := self._next(cell)) is not None]

    def after(self, job: Job, result: Path | None, why: str | None) -> Job | None:
        """End a trial, and begin the next one.

        Args:
            job: The job that has ended.
            result: Its result; None: it has none.
            why: Why it has none.

        Returns:
            The job of the next trial; None: the study has ended.
        """
        study, number = self.studies[job.row, job.dataset], job.trial
        assert number is not None  # as _next sets it
        if result is None:
            study.fail(number, why or "")
        else:
            study.finish(number, self._valid(result))
        return self._next((job.row, job.dataset))

    def left(self, job: Job) -> int:
        """Return how many jobs may follow a job."""
        return self.studies[job.row, job.dataset].left(self.budget)

    def _next(self, cell: Cell) -> Job | None:
        """Begin trials of a study until one has to be trained, and return its job; None: the study has ended."""
        (row, dataset), study = cell, self.studies[cell]
        while (begun := study.begin(self.budget)) is not None:
            try:
                job = self.plan.job(row, dataset, self.plan.seeds[0], **begun.params)
            except UserError as error:
                # Values that fit the model one by one, and not together.
                study.fail(begun.number, str(error))
                continue
            place = f"{study.file}#{begun.number}" if _is_one_training(job.values) else None
            job = dataclasses.replace(job, trial=begun.number, reports_to=place)
            folder = JobFolder(self.plan.values["checkpoint_dir"], job)
            result = folder.result()
            reported = [] if place is None else folder.reported()
            if result is None or reported is None:
                return job
            study.replay(begun.number, reported, self._valid(result))
        return None

    def _valid(self, path: Path) -> float:
        """Return the validation metric of a job's result."""
        result, _ = load(path)
        metric = self.plan.metric
        return best_of(metric, (row["valid"][metric.lower()] for row in with_join(result).values()))


def _is_one_training(values: Mapping[str, Any]) -> bool:
    """Return whether a job with these values trains its model once, so that its epochs can be compared."""
    several = AUTO in (values["variants"] or ()) or values["few_shot"] or values.get("tasks") is not None
    joins = values["compare_join"] and joined_with(values["dataset"], values["shared_users"])
    return not several and not joins
