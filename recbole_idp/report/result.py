"""The JSON file that a run leaves, with the ranks beside it, and the table that is drawn from it."""

import statistics
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from recbole_idp.errors import UserError
from recbole_idp.evaluation.metrics import best_of
from recbole_idp.report.displayed.result import Result
from recbole_idp.report.ranks import SUFFIX, Ranks, load_ranks, save_ranks
from recbole_idp.report.shown import shown
from recbole_idp.storage.files import read_json, unused, write_json
from recbole_idp.storage.schema import Nullable, ObjectOf, OptionalKey, SchemaError, check_schema

# 2: several seeds, and ranks in a file of their own.
FORMAT = 2

METRICS = ObjectOf(float)
"""Schema of metrics by name."""

BUCKETS = [{"label": str, "users": int, "metrics": METRICS}]
"""Schema of metrics by buckets of users or items."""

COMPARISON = {
    "variant": str,
    "baseline": str,
    "metric": str,
    "seeds": int,
    "users": int,
    "ours": float,
    "theirs": float,
    "p_value": float,
    "p_holm": float,
    "gain": Nullable(float),
    "interval": Nullable((float, float)),
}
"""Schema of a comparison of two rows over the test users."""

_RUN = {
    "variant": str,
    "seed": int,
    "train_users_share": float,
    "test": METRICS,
    "valid": METRICS,
    "seconds": float,
    "targets_per_second": Nullable(float),
}
_ROW = {
    "variant": str,
    "train_users_share": float,
    "test": METRICS,
    "valid": METRICS,
    "seconds": float,
    "targets_per_second": Nullable(float),
    "train_users": int,
    "runs": [_RUN],
}
_COMPARED = {**COMPARISON, "train_users_share": float, "judged": OptionalKey(bool)}
_JOINED = {
    "domains": [str],
    "joined_users": int,
    "users": int,
    "events": int,
    "unused_events": int,
    "comparisons": [{**_COMPARED, "over": str}],
    "refused": ObjectOf(str),
}
_BASELINE = {
    "variant": str,
    "train_users_share": float,
    "train_users": int,
    "test": METRICS,
    "valid": METRICS,
    "seconds": float,
    "strength": Nullable(float),
    "converged": bool,
}
_SCHEMA = {
    "model": str,
    "dataset": str,
    "data_fingerprint": str,
    "protocol": str,
    "seed": int,
    "seeds": [int],
    "few_shot": Nullable([float]),
    "peak_memory_mb": float,
    "data": {"users": int, "items": int, "interactions": int},
    "joined": OptionalKey(Nullable(_JOINED)),
    "baselines": OptionalKey(ObjectOf(_BASELINE)),
    "baseline_comparisons": OptionalKey([_COMPARED]),
    "config": ObjectOf(),
    "stages": ObjectOf({"seconds": float}),
    "variants": ObjectOf(_ROW),
    "comparisons": [_COMPARED],
    "transfer_helped": [
        {"baseline": str, "train_users_share": float, "variant": str, "helped": {"yes", "no", "unclear"}}
    ],
    "prediction": Nullable({"train_users_share": float, "verdict": {"likely", "unclear", "unlikely"}, "reason": str}),
}


def not_joined(row: str) -> str:
    """Return the name of the row that is the same without the join."""
    return f"{row} (not joined)"


def with_join(result: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the rows of a result without those that show the same model without the join."""
    return {name: row for name, row in result["variants"].items() if row.get("joined", True)}


def with_baselines(result: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the rows that tables show: those of the variants, and those of a profile's baselines."""
    return {**result["variants"], **result.get("baselines", {})}


def summarise(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Summarise the runs of a variant over its seeds.

    Args:
        runs: The ``facts`` of each :class:`~recbole_idp.run.trials.Outcome`.

    Returns:
        Means of ``test``, ``valid``, ``seconds`` and ``targets_per_second``; with several seeds also the standard
        deviations ``test_deviation`` and ``valid_deviation`` (n - 1); ``joined`` where the runs have it; and the
        ``runs`` themselves.
    """
    kept = ("variant", "joined", "train_users_share", "train_users")
    summary = {key: runs[0][key] for key in kept if key in runs[0]}
    for part in ("test", "valid"):
        values = {name: [run[part][name] for run in runs] for name in runs[0][part]}
        summary[part] = {name: _mean(numbers) for name, numbers in values.items()}
        if len(runs) > 1:
            summary[f"{part}_deviation"] = {name: round(statistics.stdev(n), 6) for name, n in values.items()}
    return {
        **summary,
        "seconds": _mean([run["seconds"] for run in runs]),
        "targets_per_second": round(_mean([run["targets_per_second"] for run in runs])),
        "runs": runs,
    }


def _mean(numbers: Iterable[float]) -> float:
    return round(statistics.fmean(numbers), 6)


def save_result(result: dict[str, Any], folder: str | Path, ranks: Ranks | None = None) -> Path:
    """Write a result to a file that is named after model, dataset, seeds and time.

    Args:
        result: The result, with the structure that :func:`read_result` checks.
        folder: ``result_dir``.
        ranks: Written beside the result, which names their file and its hash; None: there are none.

    Returns:
        The file.
    """
    stamp = time.strftime("%b-%d-%Y_%H-%M-%S")
    seeds = result["seeds"]
    stem = f"{result['model']}-{result['dataset']}-{seeds[0] if len(seeds) == 1 else f'{len(seeds)}-seeds'}-{stamp}"
    path = unused(folder, stem, ".json")
    if ranks is not None:
        beside = path.with_suffix(SUFFIX)
        result = {**result, "ranks": {"file": beside.name, "sha256": save_ranks(beside, ranks)}}
    write_json(path, {"format": FORMAT, **result})
    return path


def read_ranks(path: str | Path) -> Ranks | None:
    """Read the ranks of a result.

    Args:
        path: A file that :func:`save_result` wrote.

    Returns:
        The ranks by trial; None where the protocol has none.

    Raises:
        UserError: The result or its file of ranks is missing, damaged, or of another version.
    """
    named = read_result(path).get("ranks")
    if named is None:
        return None
    if not isinstance(named, dict) or not all(isinstance(named.get(key), str) for key in ("file", "sha256")):
        raise UserError(f"{path} does not name its file of ranks: run again, or give the file as it was written")
    # By its name alone: a result names no file of another folder.
    return load_ranks(Path(path).with_name(Path(named["file"]).name), named["sha256"])


def read_result(path: str | Path) -> Result:
    """Read a result.

    Args:
        path: A file that :func:`save_result` wrote.

    Returns:
        The result, a dictionary with tables and plots.

    Raises:
        UserError: The file is missing, damaged, or of another version.
    """
    result = read_json(path, "result", "run again, or delete it")
    if not isinstance(result, dict) or not isinstance(result.get("variants"), dict):
        raise UserError(f"{path} is not a result of recbole_idp: give a file from result_dir")
    if result.get("format") != FORMAT:
        raise UserError(
            f"{path} is a result of format {result.get('format')}, this release reads format {FORMAT}: run again, or "
            "read it with the release that wrote it"
        )
    try:
        check_schema(result, _SCHEMA)
        for row, found in result["variants"].items():
            _check_row(found, f"variants.{row}")
    except SchemaError as error:
        raise UserError(f"{path} is a damaged result ({error}): run again, or give it as it was written") from None
    return Result(result)


def _check_row(row: dict[str, Any], where: str) -> None:
    """Check what the schema of a variant cannot express."""
    if not row["runs"] or not row["test"]:
        raise SchemaError(f"{where} has no {'test' if row['runs'] else 'runs'}")
    for run in row["runs"]:
        check_schema(run.get("buckets", {}), ObjectOf(BUCKETS), f"{where}.runs.buckets")
        if run["test"].keys() != row["test"].keys():
            raise SchemaError(f"{where} has runs of other metrics")


def shown_of(result: dict[str, Any]) -> list[str]:
    """Return the metrics that the tables of a result show."""
    return shown(measured_in(result), watched_in(result))


def measured_in(result: dict[str, Any]) -> list[str]:
    """Return the keys of all metrics of a result, in its order."""
    return list(dict.fromkeys(name for variant in result["variants"].values() for name in variant["test"]))


def watched_in(result: dict[str, Any]) -> str | None:
    """Return the key of the watched metric of a result; None where it does not say."""
    return str(result["config"].get("valid_metric") or "").lower() or None


def markdown_table(result: dict[str, Any]) -> str:
    """Draw the variants of a result side by side.

    Args:
        result: What :func:`read_result` returns.

    Returns:
        A Markdown table; the best value of each metric is bold, standard deviations follow their means.
    """
    variants, columns = with_baselines(result), shown_of(result)
    best = {
        name: best_of(name, (variant["test"][name] for variant in variants.values() if name in variant["test"]))
        for name in columns
    }
    rows = []
    for name, variant in variants.items():
        values = [cell(variant, column, best[column]) for column in columns]
        rows.append([name, *values, f"{variant['seconds']:.0f}"])
    return table(["variant", *columns, "seconds"], rows)


def cell(variant: dict[str, Any], metric: str, best: float) -> str:
    """Return a metric of a variant as text: bold where it is the best, with its deviation where there is one."""
    value = variant["test"].get(metric)
    if value is None:
        return "-"
    text = f"**{value:.4f}**" if value == best else f"{value:.4f}"
    deviation = variant.get("test_deviation", {}).get(metric)
    return text if deviation is None else f"{text} ± {deviation:.4f}"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Draw a Markdown table whose columns are aligned in plain text as well.

    Args:
        header: Names of the columns.
        rows: Cells.

    Returns:
        The table, without a line break at the end.
    """
    widths = [max(len(str(row[number])) for row in [header, *rows]) for number in range(len(header))]
    lines = [
        " | ".join(str(cell).ljust(width) for cell, width in zip(row, widths, strict=True)) for row in [header, *rows]
    ]
    rule = " | ".join("-" * width for width in widths)
    return "\n".join(f"| {line} |" for line in [lines[0], rule, *lines[1:]])
