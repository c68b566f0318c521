"""The text that a run prints at its end."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from recbole_idp.data.history_items import joined_line
from recbole_idp.evaluation.metrics import why_no_test
from recbole_idp.report.apart import apart
from recbole_idp.report.comparison import METRIC, baseline_lines, comparison_lines, join_lines
from recbole_idp.report.few_shot import PLOT, study_table
from recbole_idp.report.result import markdown_table, measured_in, shown_of, watched_in
from recbole_idp.report.shown import shown


def report_text(result: dict[str, Any], path: Path) -> str:
    """Describe a result: its table, whether transfer helped, the stages, and where all this is saved.

    Args:
        result: What :func:`~recbole_idp.report.result.read_result` returns.
        path: Its file.

    Returns:
        The lines.
    """
    parts = [f"\n{title(result)}\n", study_of(result) or markdown_table(result)]
    if left_out := not_shown(result):
        parts.append(f"\nAlso measured: {', '.join(left_out)} (in the result)")
    runs = {name: [run.get("buckets", {}) for run in row["runs"]] for name, row in result["variants"].items()}
    for groups in apart(runs):
        parts += ["", groups.markdown()]
    joined = result.get("joined")
    lines = [joined_line(result["dataset"], joined), *join_lines(joined)] if joined else []
    lines += [
        *filter(None, [trained_line(result)]),
        *training_lines(result),
        *comparison_lines(result),
        *baseline_lines(result),
    ]
    # Ranks are missing where scores are compared with labels.
    if not result["comparisons"] and not result.get("ranks") and (watched := watched_in(result)):
        lines += filter(None, [why_no_test(watched)])
    if lines:
        parts += ["", *lines]
    parts += auto_lines(result)
    stages = ", ".join(f"{name} {facts['seconds']:.1f} s" for name, facts in result["stages"].items())
    parts.append(f"\nStages: {stages}; peak memory {result['peak_memory_mb']:,} MiB\nResult: {path}")
    if (plot := path.with_suffix(PLOT)).is_file():
        parts.append(f"Plot: {plot}")
    return "\n".join(parts)


def trained_line(result: dict[str, Any]) -> str | None:
    """Return which share of the parameters each row trains, in one line; None where all train all, or do not say."""
    shares = {name: row["runs"][0].get("trained_share", 1) for name, row in result["variants"].items()}
    if all(share == 1 for share in shares.values()):
        return None
    return "Trained parameters: " + ", ".join(f"{name} {100 * share:.3g} %" for name, share in shares.items())


def auto_lines(result: dict[str, Any]) -> list[str]:
    """Return what each run of the variant ``auto`` averages, and what it gave up after which epoch; a line each."""
    lines = []
    for name, row in result["variants"].items():
        for run in row["runs"]:
            if (found := run.get("auto")) is None:
                continue
            members = ", ".join(f"{one['weight']:.0%} {one['variant']}-{one['seed']}" for one in found["members"])
            given_up = "; ".join(
                f"{', '.join(start for start in rung['valid'] if start not in rung['kept'])} given up after "
                f"{rung['epochs']} epochs"
                for rung in found["rungs"]
            )
            lines.append(f"{name}-{run['seed']}: {members}" + (f" ({given_up})" if given_up else ""))
    return lines


def training_lines(result: dict[str, Any]) -> list[str]:
    """Return seconds and memory of training of each row, in one line; none where no memory was measured."""
    runs = {name: row["runs"][0] for name, row in result["variants"].items()}
    if any(run.get("training_memory_mb") is None for run in runs.values()):
        return []
    parts = [f"{name} {run['seconds']:,.1f} s, {run['training_memory_mb']:,} MiB" for name, run in runs.items()]
    return [f"Training: {'; '.join(parts)}"]


def title(result: dict[str, Any]) -> str:
    """Return dataset, protocol and seeds of a result in one line."""
    return f"{result['dataset']}, {result['protocol']} ranking, {seeds_name(result['seeds'])}"


def seeds_name(seeds: Sequence[int]) -> str:
    """Return a name for the figures of one seed, or for the means and deviations of several."""
    return f"seed {seeds[0]}" if len(seeds) == 1 else f"mean ± standard deviation of seeds {', '.join(map(str, seeds))}"


def study_of(result: dict[str, Any]) -> str | None:
    """Return the tables of a few-shot study, one for each metric, or None where the result is of no such study."""
    if not result["few_shot"]:
        return None
    return "\n\n".join(
        f"{metric.upper()} of all test targets, by share of the training users\n\n{study_table(result, metric)}"
        for metric in study_metrics(result)
    )


def study_metrics(result: dict[str, Any]) -> list[str]:
    """Return the metrics that a few-shot study shows, that of its plot first.

    These are the watched one, and all that ``metrics`` and ``topk`` name unless they have their defaults.
    """
    known, watched = measured_in(result), watched_in(result)
    first = watched if watched in known else METRIC.lower() if METRIC.lower() in known else known[0]
    return list(dict.fromkeys([first, *shown(known, watched, usual=[first])]))


def not_shown(result: dict[str, Any]) -> list[str]:
    """Return the metrics of a result that its tables leave out."""
    tabled = study_metrics(result) if result["few_shot"] else shown_of(result)
    return [name for name in measured_in(result) if name not in tabled]
