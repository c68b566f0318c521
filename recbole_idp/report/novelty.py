"""Metrics of the test targets whose users or items training has not seen, apart from the others."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from recbole_idp.report.result import table

METRIC = "ndcg@10"
GROUPS = {"user_novelty": "user", "item_novelty": "item"}
"""Kinds of buckets, and whether they are about the target's user or its item."""


class NoveltyTable(NamedTuple):
    """Rows side by side, a column for each group of test targets, with the number of targets in it.

    Attributes:
        heading: What the table shows.
        columns: The names of the groups.
        rows: The name of each row, and its cells.
    """

    heading: str
    columns: list[str]
    rows: dict[str, list[str]]


def novelty_table(buckets: Mapping[str, Sequence[Mapping[str, Any]]]) -> str | None:
    """Draw the table of new users and items as Markdown.

    Args:
        buckets: As of :func:`novelty_of`.

    Returns:
        A heading and a table; None where there is nothing to show.
    """
    if (found := novelty_of(buckets)) is None:
        return None
    return f"{found.heading}\n\n{table(['', *found.columns], [[name, *cells] for name, cells in found.rows.items()])}"


def novelty_of(buckets: Mapping[str, Sequence[Mapping[str, Any]]]) -> NoveltyTable | None:
    """Arrange the metrics of new users and items.

    Args:
        buckets: For each row the buckets of each of its runs, as of
            :func:`~recbole_idp.evaluation.buckets.novelty_metrics`, with others.

    Returns:
        The table; None where training has seen all users and items of the test, or the split is one of each user's
        events, in which all users are seen.
    """
    found = {name: _groups(runs) for name, runs in buckets.items()}
    columns = list(dict.fromkeys(column for groups in found.values() for column in groups))
    if not columns:
        return None
    rows = {name: [groups.get(column, "-") for column in columns] for name, groups in found.items()}
    said = f"{METRIC.upper()} apart for users and items that training has not seen"
    if any(column.startswith("item") for column in columns):
        said += "; a model without texts ranks such items by chance"
    return NoveltyTable(said, columns, rows)


def _groups(runs: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return the mean over the runs for each group, under the group's name and size."""
    groups: dict[str, list[float]] = {}
    for run in runs:
        for kind, whose in GROUPS.items():
            for bucket in run.get(kind, []):
                if METRIC in bucket["metrics"]:
                    name = f"{whose} {bucket['label']} ({bucket['users']:,})"
                    groups.setdefault(name, []).append(bucket["metrics"][METRIC])
    return {name: f"{statistics.fmean(values):.4f}" for name, values in groups.items()}
