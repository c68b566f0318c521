"""The text that a run prints at its end."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from recbole_idp.report.comparison import METRIC, comparison_lines
from recbole_idp.report.few_shot import PLOT, study_table
from recbole_idp.report.novelty import novelty_table
from recbole_idp.report.result import markdown_table


def report_text(result: dict[str, Any], path: Path) -> str:
    """Describe a result: its table, whether transfer helped, the stages, and where all this is saved.

    Args:
        result: What :func:`~recbole_idp.report.result.read_result` returns.
        path: Its file.

    Returns:
        The lines.
    """
    parts = [f"\n{title(result)}\n", study_of(result) or markdown_table(result)]
    runs = {name: [run.get("buckets", {}) for run in row["runs"]] for name, row in result["variants"].items()}
    if groups := novelty_table(runs):
        parts += ["", groups]
    if lines := comparison_lines(result):
        parts += ["", *lines]
    stages = ", ".join(f"{name} {facts['seconds']:.1f} s" for name, facts in result["stages"].items())
    parts.append(f"\nStages: {stages}; peak memory {result['peak_memory_mb']:,} MiB\nResult: {path}")
    if (plot := path.with_suffix(PLOT)).is_file():
        parts.append(f"Plot: {plot}")
    return "\n".join(parts)


def title(result: dict[str, Any]) -> str:
    """Return dataset, protocol and seeds of a result in one line."""
    return f"{result['dataset']}, {result['protocol']} ranking, {seeds_name(result['seeds'])}"


def seeds_name(seeds: Sequence[int]) -> str:
    """Return a name for the figures of one seed, or for the means and deviations of several."""
    return f"seed {seeds[0]}" if len(seeds) == 1 else f"mean ± standard deviation of seeds {', '.join(map(str, seeds))}"


def study_of(result: dict[str, Any]) -> str | None:
    """Return the table of a few-shot study, or None where the result is of no such study."""
    if not result["few_shot"]:
        return None
    metric = study_metric(result)
    return f"{metric.upper()} of all test targets, by share of the training users\n\n{study_table(result, metric)}"


def study_metric(result: dict[str, Any]) -> str:
    """Return the metric that a few-shot study shows: NDCG@10, or that of validation where NDCG@10 was not measured."""
    known = next(iter(result["variants"].values()))["test"]
    return METRIC.lower() if METRIC.lower() in known else result["config"]["valid_metric"].lower()
