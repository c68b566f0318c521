"""A fair search: for every model the same number of settings, chosen on validation alone."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Container
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recbole_idp.config.layers import properties_folder, read_file
from recbole_idp.evaluation.metrics import best_of, goodness
from recbole_idp.leaderboard.job_folder import load
from recbole_idp.report.result import with_join

if TYPE_CHECKING:
    from recbole_idp.leaderboard.plan import Job, Plan


def settings_of(model: str, budget: int, given: Container[str], seed: int) -> list[dict[str, Any]]:
    """List the settings that are tried for a model.

    Args:
        model: The model's name.
        budget: Maximum number of settings.
        given: Keys that the user has set.
        seed: Seed of the draw.

    Returns:
        Values that differ from the defaults; the first is empty. Fewer than ``budget`` where the space is smaller.
    """
    space = read_file(properties_folder() / "tuning.yaml").get(model, {})
    space = {key: values for key, values in space.items() if key not in given}
    if not space:
        return [{}]
    found = [dict(zip(space, values, strict=True)) for values in itertools.product(*space.values())]
    random.Random(f"{seed} {model}").shuffle(found)
    return [{}, *found][:budget]


def choose_settings(
    plan: Plan, run: Callable[[list[Job]], tuple[dict[Job, Path], dict[Job, str]]]
) -> tuple[list[Job], dict[tuple[str, str], dict[str, Any]]]:
    """Try settings for every model and dataset, and take the best on validation.

    Args:
        plan: The plan of the leaderboard; its key ``tune`` is the budget.
        run: Function that runs jobs, as :func:`~recbole_idp.leaderboard.schedule.run_jobs` does.

    Returns:
        The jobs of all seeds with the chosen settings; and by row and dataset ``budget`` (the settings tried),
        ``chosen`` and ``valid``.
    """
    budget, first = plan.values["tune"], plan.seeds[0]
    tried = {
        (row, dataset): [
            (chosen, plan.job(row, dataset, first, **chosen))
            for chosen in settings_of(model, budget, plan.options, first)
        ]
        for dataset in plan.datasets
        for row, model in plan.rows.items()
    }
    results, _ = run([job for settings in tried.values() for _, job in settings])
    jobs, tuned = [], {}
    for (row, dataset), settings in tried.items():
        scores = [(_valid(results[job], plan.metric), chosen) for chosen, job in settings if job in results]
        valid, chosen = max(scores, key=lambda score: goodness(plan.metric, score[0]), default=(None, {}))
        if valid is not None:
            tuned[row, dataset] = {"budget": len(settings), "chosen": chosen, "valid": valid}
        jobs += [plan.job(row, dataset, seed, **chosen) for seed in plan.seeds]
    return jobs, tuned


def _valid(path: Path, metric: str) -> float:
    """Return a validation metric of a job's result."""
    result, _ = load(path)
    return best_of(metric, (row["valid"][metric.lower()] for row in with_join(result).values()))
