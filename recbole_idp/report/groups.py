"""Tables of metrics apart for groups of test targets, a column for each group."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from recbole_idp.report.result import table

Buckets = Mapping[str, Sequence[Mapping[str, Any]]]
"""For each row the buckets of each of its runs."""


class GroupTable(NamedTuple):
    """Rows side by side, a column for each group of test targets, with the number of targets in it.

    Attributes:
        heading: What the table shows.
        columns: The names of the groups.
        rows: The name of each row, and its cells.
    """

    heading: str
    columns: list[str]
    rows: dict[str, list[str]]

    def markdown(self) -> str:
        """Draw heading and table as Markdown."""
        return f"{self.heading}\n\n{table(['', *self.columns], [[name, *cells] for name, cells in self.rows.items()])}"


def group_table(buckets: Buckets, kinds: Iterable[str], metric: str, heading: Callable[[str, Any], str]) -> GroupTable:
    """Arrange one metric of some kinds of buckets.

    Args:
        buckets: For each row the buckets of each of its runs.
        kinds: The kinds of buckets, in the order of the columns.
        metric: The key of the metric; buckets without it are left out.
        heading: Returns a column's name from the kind and a bucket.

    Returns:
        The table, without a heading. It has no columns where no row has such buckets.
    """
    found = {name: _means(runs, list(kinds), metric, heading) for name, runs in buckets.items()}
    columns = list(dict.fromkeys(column for groups in found.values() for column in groups))
    rows = {name: [groups.get(column, "-") for column in columns] for name, groups in found.items()}
    return GroupTable("", columns, rows)


def _means(
    runs: Sequence[Mapping[str, Any]], kinds: Sequence[str], metric: str, heading: Callable[[str, Any], str]
) -> dict[str, str]:
    """Return the mean over the runs for each group, under the group's name."""
    groups: dict[str, list[float]] = {}
    for run in runs:
        for kind in kinds:
            for bucket in run.get(kind, []):
                if metric in bucket["metrics"]:
                    groups.setdefault(heading(kind, bucket), []).append(bucket["metrics"][metric])
    return {name: f"{statistics.fmean(values):.4f}" for name, values in groups.items()}
