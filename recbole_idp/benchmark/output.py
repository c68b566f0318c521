"""The table that a benchmark prints, and the report that it saves."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from recbole_idp.benchmark.measure import load_average
from recbole_idp.config.derive import given_values
from recbole_idp.report.result import table
from recbole_idp.storage.environment import command_line, versions
from recbole_idp.storage.files import write_json

if TYPE_CHECKING:
    from recbole_idp.config.strict import StrictConfig


FORMAT = 1

SIDES = {
    "ours": "ours",
    "recbole": "RecBole",
    "recbole_without_anomaly_detection": "RecBole, no anomaly detection",
    "random": "random",
    "popularity": "popularity",
    "text": "text similarity",
    "rectools": "RecTools",
    "rectools_sasrec": "RecTools' SASRecModel",
    "rectools_unisrec": "RecTools' UniSRecModel",
    "float32": "float32",
    "bfloat16": "bfloat16",
}
"""The columns of the table by their key in the report."""


class Row(NamedTuple):
    """A row of the table.

    Attributes:
        label: Name of what is measured.
        part: The part of a side's measurements that it is in.
        key: Its key there.
        less: Whether lower is better.
        compared: Whether the ratio of ours and RecBole's is shown.
        scale: What the printed value is multiplied by.
        digits: Decimals of the printed value.
    """

    label: str
    part: str
    key: str
    less: bool = False
    compared: bool = True
    scale: float = 1
    digits: int = 2


def announce(text: str) -> None:
    """Print progress to stderr; only the table goes to stdout."""
    print(f"[benchmark] {text}", file=sys.stderr, flush=True)


def ratio(results: Mapping[str, Any], part: str, key: str, other: str = "recbole", less: bool = False) -> float | None:
    """Return how many times better ours is.

    Args:
        results: Measurements by side.
        part: The part of the measurements that the value is in.
        key: Its key there.
        other: The side that ours is compared with.
        less: Whether lower is better.

    Returns:
        The ratio; None where one of the values is not positive.
    """
    ours, theirs = results["ours"][part][key], results[other][part][key]
    if ours <= 0 or theirs <= 0:
        return None
    return round(theirs / ours if less else ours / theirs, 2)


def publish(
    task: str,
    name: str,
    config: StrictConfig,
    options: Mapping[str, Any],
    facts: Mapping[str, Any],
    rows: Sequence[Row],
    path: str | Path,
) -> None:
    """Save the report of a benchmark, and print its table.

    Args:
        task: The benchmark.
        name: The dataset or datasets that it ran on.
        config: The configuration.
        options: The benchmark's own options.
        facts: Measurements by side, and other facts for the report.
        rows: The rows of the table.
        path: The file of the report.
    """
    report = {
        "format": FORMAT,
        "benchmark": task,
        "dataset": name,
        **options,
        **facts,
        "threads": torch.get_num_threads(),
        "processors": os.cpu_count(),
        "load_average": load_average(),
        "openmp": {name: value for name, value in os.environ.items() if name.startswith(("OMP_", "GOMP_", "KMP_"))},
        "config": given_values(config),
        "versions": versions(),
        "command": command_line("python", "-m", "recbole_idp.benchmark"),
    }
    write_json(path, report)
    print(f"\n{task} on {name}, {report['threads']} threads, load average {report['load_average']}\n")
    print(_table(report, rows))
    print(f"\nReport: {path}")
    if report["threads"] > 1 and (report["load_average"] or 0) > 1.5 * report["processors"]:
        # OpenMP's threads wait for each other by spinning, and one that has lost its processor stops all.
        announce("others keep this machine busy: try --threads=1, or OMP_WAIT_POLICY=passive in the environment")


def _table(report: Mapping[str, Any], rows: Sequence[Row]) -> str:
    sides = [side for side in SIDES if side in report]
    compare = "recbole" in sides
    lines = []
    for row in rows:
        line = [row.label, *(_cell(report[side][row.part][row.key], row) for side in sides)]
        if compare:
            times = ratio(report, row.part, row.key, less=row.less) if row.compared else None
            line.append("" if times is None else f"{times:g}")
        lines.append(line)
    return table(["", *(SIDES[side] for side in sides), *(["times better"] if compare else [])], lines)


def _cell(value: Any, row: Row) -> str:
    return f"{value * row.scale:,.{row.digits}f}" if isinstance(value, (int, float)) else str(value)
