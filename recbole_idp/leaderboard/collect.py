"""Make the leaderboard from the results of its jobs."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from recbole_idp import registry
from recbole_idp.data.history_items import joined_line
from recbole_idp.evaluation.gains import gains
from recbole_idp.evaluation.metrics import goodness, why_no_test
from recbole_idp.evaluation.significance import compare, user_means
from recbole_idp.leaderboard.job_folder import load
from recbole_idp.report.comparison import holm_corrected
from recbole_idp.report.result import with_join
from recbole_idp.storage.environment import command_line, versions

if TYPE_CHECKING:
    from recbole_idp.leaderboard.job import Job
    from recbole_idp.leaderboard.plan import Plan
    from recbole_idp.report.ranks import Ranks

    # Result of each job, and its ranks where the protocol has some.
    Loaded = Mapping[Job, tuple[dict[str, Any], Ranks | None]]


COMPARED_WITH = ("PositionSASRec", "TextPCASASRec", "MoRec", "TCF", "UniSRec", "UniSRec_IDt")
"""The plugin's models that can be the baseline, besides those of RecBole."""


def collect(
    plan: Plan, results: Mapping[Job, Path], failed: Mapping[Job, str], tuned: Mapping[tuple[str, str], dict[str, Any]]
) -> dict[str, Any]:
    """Make the leaderboard.

    Args:
        plan: The plan of the leaderboard.
        results: The result files of the jobs that were finished.
        failed: Why the other jobs were not finished.
        tuned: What tuning has chosen, by row and dataset.

    Returns:
        The leaderboard, with the structure that :func:`~recbole_idp.report.board.file.read_board` checks.
    """
    loaded = {job: load(path) for job, path in results.items()}
    boards: dict[tuple[str, str | None, str], list[Job]] = {}
    for job, (result, _) in loaded.items():
        boards.setdefault((job.dataset, result["data_fingerprint"], result["protocol"]), []).append(job)
    for job in failed:
        if job.dataset not in {dataset for dataset, *_ in boards}:
            boards[job.dataset, None, _protocol(job.values)] = []
    return {
        "command": command_line("recbole-idp"),
        "created": time.strftime("%Y-%m-%d %H:%M"),
        "versions": versions(),
        "seeds": plan.seeds,
        "metric": plan.metric,
        "boards": [_board(key, jobs, loaded, failed, tuned, plan) for key, jobs in boards.items()],
    }


def _board(
    key: tuple[str, str | None, str],
    jobs: Sequence[Job],
    loaded: Loaded,
    failed: Mapping[Job, str],
    tuned: Mapping[tuple[str, str], dict[str, Any]],
    plan: Plan,
) -> dict[str, Any]:
    dataset, data, protocol = key
    facts = loaded[jobs[0]][0]["data"] if jobs else {}
    by_model = {row: [job for job in jobs if job.row == row] for row in plan.rows}
    by_model = {model: found for model, found in by_model.items() if found}
    rows = [_row(found, loaded, tuned.get((model, dataset)), plan) for model, found in by_model.items()]
    baseline = plan.values["baseline"] or _best_baseline(rows, plan.rows, plan.metric)
    return {
        "dataset": dataset,
        "data_fingerprint": data,
        "protocol": protocol,
        **{name: facts.get(name) for name in ("users", "items", "interactions")},
        "rows": rows,
        "failed": [
            {"model": job.row, "seed": job.seed, "error": why} for job, why in failed.items() if job.dataset == dataset
        ],
        "baseline": baseline,
        "comparisons": _comparisons(by_model, loaded, baseline, plan.metric) if baseline else [],
        "notes": [
            *_notes(by_model, loaded),
            *_joined(by_model, loaded),
            *_budgets(rows, plan),
            *_untested(plan.metric),
        ],
    }


def _protocol(values: Mapping[str, Any]) -> str:
    """Return the protocol by which a job with these values is tested."""
    mode = values["eval_args"]["mode"]
    return mode["test"] if isinstance(mode, dict) else mode


def _notes(by_model: Mapping[str, Sequence[Job]], loaded: Loaded) -> list[str]:
    """Return notes on models that rank history items in a way of their own."""
    config = {model: loaded[jobs[0]][0]["config"] for model, jobs in by_model.items()}
    general = [name for name, jobs in by_model.items() if jobs[0].model in registry.GENERAL_MODELS]
    counting = [name for name in general if not config[name]["repeatable"]]
    excluding = [name for name in by_model if config[name]["exclude_history"]]
    said = {
        "do not rank what a user has had (repeatable is false)": counting,
        "rank what a user has had last (exclude_history)": [name for name in excluding if name not in counting],
    }
    return [f"{', '.join(models)}: {note}." for note, models in said.items() if models]


def _joined(by_model: Mapping[str, Sequence[Job]], loaded: Loaded) -> list[str]:
    """Return notes on models whose histories hold events of joined users in other domains."""
    models: dict[str, list[str]] = {}
    for model, jobs in by_model.items():
        result = loaded[jobs[0]][0]
        if facts := result.get("joined"):
            models.setdefault(joined_line(result["dataset"], facts), []).append(model)
    return [f"{', '.join(names)}: {line}." for line, names in models.items()]


def _budgets(rows: Sequence[dict[str, Any]], plan: Plan) -> list[str]:
    """Return a note on how many trials tuned each row."""
    tuned = [row["model"] for row in rows if row["tuned"] is not None]
    if not tuned:
        return []
    as_given = [row["model"] for row in rows if row["tuned"] is None]
    others = f"; not tuned: {', '.join(as_given)}" if as_given else ""
    budget, seed = plan.values["tune"], plan.seeds[0]
    return [f"Tuned with {budget} trials each, on validation with seed {seed}: {', '.join(tuned)}{others}."]


def _untested(metric: str) -> list[str]:
    """Return a note where the metric of the board has no paired test."""
    why = why_no_test(metric)
    return [f"{why}."] if why else []


def _row(jobs: Sequence[Job], loaded: Loaded, tuned: dict[str, Any] | None, plan: Plan) -> dict[str, Any]:
    """Make the row of a model from the jobs of its seeds."""
    results = [loaded[job][0] for job in jobs]
    runs = [_main(result)["runs"][0] for result in results]
    return {
        "model": jobs[0].row,
        "transfers": jobs[0].transfers,
        "tuned": tuned,
        "runs": [{key: run[key] for key in ("seed", "test", "valid", "seconds", "targets_per_second")} for run in runs],
        **_spread([run["test"] for run in runs]),
        "buckets": _mean_buckets([run["buckets"] for run in runs if run.get("buckets")]),
        "few_shot": _few_shot(results),
        "swept": _swept(plan, jobs[0].row),
        "config": jobs[0].options,
        "command": jobs[0].command() if len(jobs) == 1 else _with_seeds(jobs),
    }


def _swept(plan: Plan, row: str) -> dict[str, Any] | None:
    """Return the place of a row in a sweep; None for one that has none."""
    if (point := plan.points.get(row)) is None:
        return None
    return {"key": next(iter(plan.values["sweep"])), "of": point.of, "value": point.value}


def _with_seeds(jobs: Sequence[Job]) -> str:
    seeds = ",".join(str(job.seed) for job in jobs)
    return jobs[0].command().replace(f"--seeds={jobs[0].seed}", f"--seeds={seeds}", 1)


def _main(result: dict[str, Any]) -> dict[str, Any]:
    """Return the row of a job's result that the board shows: in a few-shot study the one with the most users."""
    return max(with_join(result).values(), key=lambda row: row["train_users_share"])


def _spread(metrics: Sequence[Mapping[str, float]]) -> dict[str, dict[str, float]]:
    names = metrics[0]
    values = {name: [one[name] for one in metrics] for name in names}
    return {
        "mean": {name: statistics.fmean(found) for name, found in values.items()},
        "deviation": {name: statistics.stdev(found) for name, found in values.items()} if len(metrics) > 1 else {},
    }


def _mean_buckets(of_jobs: Sequence[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Average the buckets over seeds; the targets in each are the same."""
    if not of_jobs:
        return {}
    return {
        kind: [
            {**bucket, "metrics": _spread([one[kind][number]["metrics"] for one in of_jobs])["mean"]}
            for number, bucket in enumerate(buckets)
        ]
        for kind, buckets in of_jobs[0].items()
    }


def _few_shot(results: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    shares = sorted({row["train_users_share"] for row in with_join(results[0]).values()})
    if len(shares) < 2:
        return []
    return [
        {
            "share": share,
            **_spread(
                [
                    row["test"]
                    for result in results
                    for row in with_join(result).values()
                    if row["train_users_share"] == share
                ]
            ),
        }
        for share in shares
    ]


def _best_baseline(rows: Sequence[dict[str, Any]], models: Mapping[str, str], metric: str) -> str | None:
    """Return the baseline whose validation is best, or None where there is none; ``models`` are those of the rows."""
    compared = {row for row, model in models.items() if model not in registry.models() or model in COMPARED_WITH}
    found = [row for row in rows if row["model"] in compared]
    if not found or len(rows) < 2:
        return None
    means = {row["model"]: statistics.fmean(run["valid"][metric.lower()] for run in row["runs"]) for row in found}
    return max(means, key=lambda model: goodness(metric, means[model]))


def _comparisons(
    by_model: Mapping[str, Sequence[Job]], loaded: Loaded, baseline: str, metric: str
) -> list[dict[str, Any]]:
    """Compare each model with the baseline, paired over the users, seeds averaged first."""
    if why_no_test(metric):
        return []
    values = {model: _by_user(jobs, loaded, metric) for model, jobs in by_model.items()}
    theirs = values.get(baseline)
    if theirs is None:
        return []
    found = [
        {
            "variant": model,
            "baseline": baseline,
            "metric": metric,
            "seeds": len(by_model[model]),
            **asdict(compare(ours, theirs)),
        }
        for model, ours in values.items()
        if model != baseline and ours is not None
    ]
    return holm_corrected(found)


def _by_user(jobs: Sequence[Job], loaded: Loaded, metric: str) -> tuple[np.ndarray, np.ndarray] | None:
    """Return users and their mean metric, or None where ranks are missing."""
    ranked = []
    for job in jobs:
        result, ranks = loaded[job]
        if ranks is None:
            return None
        name = next(name for name, row in result["variants"].items() if row is _main(result))
        ranked.append((ranks.users, ranks.trials[f"{name}-{job.seed}"]))
    return user_means(gains(np.stack([ranks for _, ranks in ranked]), metric), ranked[0][0])
