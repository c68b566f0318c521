"""Makes the leaderboard of what its jobs have left."""

import statistics
import time
from dataclasses import asdict

import numpy as np

from recbole_idp import registry
from recbole_idp.evaluation.significance import compare, gains, user_means
from recbole_idp.leaderboard.job_folder import load
from recbole_idp.report.comparison import holm_corrected
from recbole_idp.storage.environment import command_line, versions

COMPARED_WITH = ("PositionSASRec", "TextPCASASRec", "MoRec", "TCF", "UniSRec", "UniSRec_IDt")
"""The plugin's models that others are compared with, beside those of RecBole."""


def collect(plan, results, failed, tuned):
    """Makes the leaderboard.

    Args:
        plan (Plan): What was asked for.
        results (dict[Job, Path]): The result files of the jobs that were finished.
        failed (dict[Job, str]): Why others were not.
        tuned (dict[tuple[str, str], dict]): By model and dataset, what tuning has chosen.

    Returns:
        dict: Of the form that :func:`~recbole_idp.report.board.file.read_board` checks.
    """
    loaded = {job: load(path) for job, path in results.items()}
    boards = {}
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


def _board(key, jobs, loaded, failed, tuned, plan):
    dataset, data, protocol = key
    facts = loaded[jobs[0]][0]["data"] if jobs else {}
    by_model = {model: [job for job in jobs if job.model == model] for model in plan.models}
    by_model = {model: found for model, found in by_model.items() if found}
    rows = [_row(found, loaded, tuned.get((model, dataset))) for model, found in by_model.items()]
    baseline = plan.values["baseline"] or _best_baseline(rows, plan.metric)
    return {
        "dataset": dataset,
        "data_fingerprint": data,
        "protocol": protocol,
        **{name: facts.get(name) for name in ("users", "items", "interactions")},
        "rows": rows,
        "failed": [
            {"model": job.model, "seed": job.seed, "error": why}
            for job, why in failed.items()
            if job.dataset == dataset
        ],
        "baseline": baseline,
        "comparisons": _comparisons(by_model, loaded, baseline, plan.metric) if baseline else [],
        "notes": _notes(by_model, loaded),
    }


def _protocol(values):
    """Returns the protocol that a job was to test by."""
    mode = values["eval_args"]["mode"]
    return mode["test"] if isinstance(mode, dict) else mode


def _notes(by_model, loaded):
    """Returns what a reader of the board has to know of how some models rank a user's history."""
    counting = [model for model in by_model if model in registry.GENERAL_MODELS]
    excluding = [model for model, jobs in by_model.items() if loaded[jobs[0]][0]["config"]["exclude_history"]]
    said = {
        "do not rank what a user has had (RecBole's rule for models that know no order)": counting,
        "rank what a user has had last (exclude_history)": [name for name in excluding if name not in counting],
    }
    return [f"{', '.join(models)}: {note}." for note, models in said.items() if models]


def _row(jobs, loaded, tuned):
    """Makes the row of a model from the jobs of its seeds."""
    results = [loaded[job][0] for job in jobs]
    runs = [_main(result)["runs"][0] for result in results]
    return {
        "model": jobs[0].model,
        "transfers": jobs[0].transfers,
        "tuned": tuned,
        "runs": [{key: run[key] for key in ("seed", "test", "valid", "seconds", "targets_per_second")} for run in runs],
        **_spread([run["test"] for run in runs]),
        "buckets": _mean_buckets([run["buckets"] for run in runs if run.get("buckets")]),
        "few_shot": _few_shot(results),
        "config": jobs[0].options,
        "command": jobs[0].command() if len(jobs) == 1 else _with_seeds(jobs),
    }


def _with_seeds(jobs):
    seeds = ",".join(str(job.seed) for job in jobs)
    return jobs[0].command().replace(f"--seeds={jobs[0].seed}", f"--seeds={seeds}", 1)


def _main(result):
    """Returns the row of a job's result that counts: in a few-shot study the one with the most users."""
    return max(result["variants"].values(), key=lambda row: row["train_users_share"])


def _spread(metrics):
    names = metrics[0]
    values = {name: [one[name] for one in metrics] for name in names}
    return {
        "mean": {name: statistics.fmean(found) for name, found in values.items()},
        "deviation": {name: statistics.stdev(found) for name, found in values.items()} if len(metrics) > 1 else {},
    }


def _mean_buckets(found):
    """Averages the buckets over seeds; the targets in each are the same."""
    if not found:
        return {}
    return {
        kind: [
            {**bucket, "metrics": _spread([one[kind][number]["metrics"] for one in found])["mean"]}
            for number, bucket in enumerate(buckets)
        ]
        for kind, buckets in found[0].items()
    }


def _few_shot(results):
    shares = sorted({row["train_users_share"] for row in results[0]["variants"].values()})
    if len(shares) < 2:
        return []
    return [
        {
            "share": share,
            **_spread(
                [
                    row["test"]
                    for result in results
                    for row in result["variants"].values()
                    if row["train_users_share"] == share
                ]
            ),
        }
        for share in shares
    ]


def _best_baseline(rows, metric):
    """Returns the baseline whose validation is best, or None where there is none."""
    found = [row for row in rows if row["model"] not in registry.models() or row["model"] in COMPARED_WITH]
    if not found or len(rows) < 2:
        return None
    return max(found, key=lambda row: statistics.fmean(run["valid"][metric.lower()] for run in row["runs"]))["model"]


def _comparisons(by_model, loaded, baseline, metric):
    """Compares each model with the baseline, paired over the users, seeds averaged first."""
    values = {model: _by_user(jobs, loaded, metric) for model, jobs in by_model.items()}
    if values.get(baseline) is None:
        return []
    found = [
        {
            "variant": model,
            "baseline": baseline,
            "metric": metric,
            "seeds": len(by_model[model]),
            **asdict(compare(ours, values[baseline])),
        }
        for model, ours in values.items()
        if model != baseline and ours is not None
    ]
    return holm_corrected(found)


def _by_user(jobs, loaded, metric):
    """Returns users and their mean metric, or None where ranks are missing."""
    ranked = []
    for job in jobs:
        result, ranks = loaded[job]
        if ranks is None:
            return None
        name = next(name for name, row in result["variants"].items() if row is _main(result))
        ranked.append((ranks.users, ranks.trials[f"{name}-{job.seed}"]))
    return user_means(gains(np.stack([ranks for _, ranks in ranked]), metric), ranked[0][0])
