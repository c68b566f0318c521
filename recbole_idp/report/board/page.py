"""The page of a leaderboard. It depends on no model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from recbole_idp.evaluation.metrics import metric_name, smaller_is_better
from recbole_idp.report.board.cells import (
    Cell,
    Line,
    columns_of,
    comparisons_of,
    facts,
    legend,
    lines_of,
    protocol_name,
    remarks,
)
from recbole_idp.report.board.file import metric_key
from recbole_idp.report.board.names import RowNames
from recbole_idp.report.board.plots import plot_buckets, plot_metric, plot_shares, plot_time
from recbole_idp.report.board.swept import plot_sweep
from recbole_idp.report.board.text import gain_text, sentences
from recbole_idp.report.board.trials import tuned_line, tuned_parts
from recbole_idp.report.page import Field, Figure, Part, Table, render, text_table
from recbole_idp.report.plot import ACCENT, MUTED
from recbole_idp.report.text import seeds_name

_KEYS = ((MUTED, "trained on the target alone"), (ACCENT, "pre-trained on source domains"))
_BUCKETS = {
    "popularity": "by how often the right item occurs in the training data: how a model fares with new and rare items",
    "history": "by the number of events in the user's history",
    "user_novelty": "by whether training has seen the user",
    "item_novelty": "by whether training has seen the right item",
    "joined": "by whether the user is joined with other domains",
    "joined_history": "of joined users by the number of the target's events in their history",
}


@dataclass(frozen=True)
class Made:
    """How a row was made: its command, its runs, what was tuned, and the keys that have no default."""

    name: str
    badges: Sequence[str]
    command: str
    runs: Table
    tuned: str
    settings: Table


@dataclass(frozen=True)
class Section:
    """What the page shows of a board, from top to bottom; ``parts`` is the place for what it may have besides."""

    dataset: str
    protocol: str
    facts: str
    lead: str
    table: Table | None
    legend: Sequence[str]
    failed: Sequence[str]
    notes: Sequence[str]
    figures: Sequence[Figure]
    parts: Sequence[Part]
    rows: Sequence[Made]


def board_page(leaderboard: dict[str, Any]) -> str:
    """Draw a leaderboard as a page.

    Args:
        leaderboard: What :func:`~recbole_idp.report.board.file.read_board` returns.

    Returns:
        HTML.
    """
    boards = leaderboard["boards"]
    versions = ", ".join(f"{name} {version}" for name, version in leaderboard["versions"].items())
    return render(
        "leaderboard.html",
        title=f"Leaderboard: {', '.join(dict.fromkeys(board['dataset'] for board in boards))}",
        about=f"{leaderboard['created']}; {versions}",
        command_line=leaderboard["command"],
        sections=[_section(board, metric_key(leaderboard), leaderboard["seeds"]) for board in boards],
    )


def _section(board: dict[str, Any], metric: str, seeds: Sequence[int]) -> Section:
    has_rows = bool(board["rows"])
    return Section(
        dataset=board["dataset"],
        protocol=protocol_name(board["protocol"]),
        facts=f"{facts(board)}; {seeds_name(seeds)}",
        lead=next(iter(sentences(board)), ""),
        table=_table(board, metric, seeds) if has_rows else None,
        legend=legend(board),
        failed=[f"{job['model']} with seed {job['seed']} failed: {job['error']}" for job in board["failed"]],
        notes=board["notes"],
        figures=_figures(board, metric) if has_rows else [],
        parts=tuned_parts(board, metric) if has_rows else [],
        rows=[_made(line.row, metric, seeds) for line in lines_of(board, metric, [metric])] if has_rows else [],
    )


def _table(board: dict[str, Any], metric: str, seeds: Sequence[int]) -> Table:
    columns, names = columns_of(board, metric), RowNames.of(board)
    compared = {one["variant"]: one for one in comparisons_of(board)}
    against = [f"over {names.short(board['baseline'])}"] if compared else []
    rows = []
    for line in lines_of(board, metric, columns):
        name = line.row["model"]
        gain = [_gain(line, compared.get(name))] if against else []
        first = Field(names.short(name), names.value(name), badges=remarks(line.row, seeds))
        rows.append([first, *map(_metric, line.cells), *gain, Field(f"{line.seconds:.0f}", line.seconds)])
    heads = [names.heading, *map(metric_name, columns), *against, "Seconds"]
    return Table(
        f"{board['dataset']}: models by metric", heads, rows, 1 + columns.index(metric), not smaller_is_better(metric)
    )


def _metric(cell: Cell) -> Field:
    if cell.value is None:
        return Field("-", None)
    below = "" if cell.deviation is None else f"± {cell.deviation:.4f}"
    return Field(f"{cell.value:.4f}", cell.value, below, cell.place)


def _gain(line: Line, comparison: dict[str, Any] | None) -> Field:
    below = ""
    if comparison and comparison["interval"]:
        low, high = comparison["interval"]
        below = f"({100 * low:.1f} to {100 * high:.1f})"
    return Field(gain_text(line), line.gain, below)


def _figures(board: dict[str, Any], metric: str) -> list[Figure]:
    name = metric_name(metric)
    whiskers = "whiskers: standard deviation over the seeds"
    counted = "the training time of one run (logarithmic), without that on source domains"
    share = f"{name} of all test targets, by the share of the target's users that are trained on."
    found = [
        Figure(plot_sweep(board, metric), f"{name} by the value of the key; {whiskers}; dotted: without the key."),
        Figure(plot_metric(board, metric), f"{name}. Bars: means; {whiskers}; dotted line: the baseline.", _KEYS),
        Figure(plot_time(board, metric), f"{name} against {counted}."),
        *(
            Figure(plot_buckets(board, metric, kind), f"{name} {said}. All panels have one scale.")
            for kind, said in _BUCKETS.items()
        ),
        Figure(plot_shares(board, metric), share),
    ]
    return [figure for figure in found if figure.plot]


def _made(row: dict[str, Any], metric: str, seeds: Sequence[int]) -> Made:
    name = metric_name(metric)
    runs = [
        [
            str(run["seed"]),
            _number(run["test"].get(metric), ".4f"),
            _number(run["valid"].get(metric), ".4f"),
            f"{run['seconds']:.1f}",
            _number(run["targets_per_second"], ",.0f"),
        ]
        for run in row["runs"]
    ]
    heads = ["seed", f"test {name}", f"validation {name}", "seconds", "targets/s"]
    settings = [[key, value if isinstance(value, str) else _flow(value)] for key, value in row["config"].items()]
    return Made(
        name=row["model"],
        badges=remarks(row, seeds),
        command=row["command"],
        runs=text_table(f"Runs of {row['model']}", heads, runs),
        tuned="" if row["tuned"] is None else tuned_line(row, metric),
        settings=text_table(f"Keys of {row['model']}", ["key", "value"], settings),
    )


def _number(value: float | None, format_spec: str) -> str:
    return "-" if value is None else format(value, format_spec)


def _flow(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
