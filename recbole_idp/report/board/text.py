"""A leaderboard for the terminal and as Markdown."""

import html
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from recbole_idp.evaluation.metrics import metric_name
from recbole_idp.report.apart import apart
from recbole_idp.report.board.cells import (
    Cell,
    Line,
    board_title,
    columns_of,
    comparisons_of,
    facts,
    failures,
    legend,
    lines_of,
    remarks,
)
from recbole_idp.report.board.file import metric_key
from recbole_idp.report.comparison import sentence
from recbole_idp.report.result import table
from recbole_idp.report.shown import COLUMNS
from recbole_idp.terminal.printable import printable

# What fits into a terminal with deviations.
_TERMINAL_COLUMNS = ("hit@10", "ndcg@10", "mrr")

# How a value is written by its place: any, best, second.
_TERMINAL = ("{}", "**{}**", "_{}_")
_MARKDOWN = ("{}", "**{}**", "<u>{}</u>")


def board_text(leaderboard: dict[str, Any]) -> str:
    """Describe a leaderboard in the width of a terminal.

    Args:
        leaderboard: What :func:`~recbole_idp.report.board.file.read_board` returns.

    Returns:
        The lines.
    """
    parts = []
    for board in leaderboard["boards"]:
        parts += [f"\n{one_line(board_title(board, leaderboard['seeds']))}\n{facts(board)}\n"]
        parts += _table(leaderboard, board, _TERMINAL_COLUMNS, _TERMINAL, one_line)
        for groups in apart({one_line(row["model"]): [row["buckets"]] for row in board["rows"]}):
            parts += ["", groups.markdown()]
        # The best and the second have marks that need a word where nothing renders them.
        marks = ["**best**, _second_"] if len(board["rows"]) > 1 else []
        parts += ["", *map(one_line, [*marks, *legend(board), *sentences(board)[:1], *failures(board)])]
        parts += [one_line(note) for note in board["notes"]]
    return "\n".join(parts)


def board_markdown(leaderboard: dict[str, Any]) -> str:
    """Draw a leaderboard as a Markdown page.

    Args:
        leaderboard: What :func:`~recbole_idp.report.board.file.read_board` returns.

    Returns:
        Markdown; the best of each metric is bold and the second underlined.
    """
    versions = ", ".join(f"{name} {version}" for name, version in leaderboard["versions"].items())
    parts = [
        "# Leaderboard",
        "",
        _code([leaderboard["command"]]),
        "",
        markdown(f"{leaderboard['created']}; {versions}"),
    ]
    for board in leaderboard["boards"]:
        parts += ["", f"## {markdown(board_title(board, leaderboard['seeds']))}", "", markdown(facts(board)), ""]
        parts += _table(leaderboard, board, COLUMNS, _MARKDOWN, markdown)
        for groups in apart({markdown(row["model"]): [row["buckets"]] for row in board["rows"]}):
            parts += ["", groups.markdown()]
        said = [*legend(board), *sentences(board), *failures(board), *board["notes"]]
        parts += ["", *(f"- {markdown(line)}" for line in said)]
        if board["rows"]:
            parts += ["", "Each row by itself:", "", _code(row["command"] for row in board["rows"])]
    return "\n".join(parts) + "\n"


def sentences(board: dict[str, Any]) -> list[str]:
    """Return sentences on how each row compares with the baseline, the best row first."""
    compared = sorted(comparisons_of(board), key=lambda one: -one["ours"])
    return [sentence(one, len(board["comparisons"])) for one in compared]


def gain_text(line: Line, percent: str = " %", star: str = "*") -> str:
    """Return the improvement of a row, marked where it is significant; a dash where there is none."""
    if line.gain is None:
        return "-"
    return f"{100 * line.gain:+.1f}{percent}{star if line.significant else ''}"


def one_line(text: object) -> str:
    """Return text as one line of printable characters, without spaces that are not needed."""
    return " ".join(printable(text).split())


def markdown(text: object) -> str:
    """Escape plain text for Markdown."""
    text = html.escape(one_line(text), quote=False)
    return re.sub(r"[\\|*`\[\]~]|(?<!\w)_|_(?!\w)", r"\\\g<0>", text)


def _table(
    leaderboard: dict[str, Any],
    board: dict[str, Any],
    usual: Iterable[str],
    marks: Sequence[str],
    escape: Callable[[str], str],
) -> list[str]:
    """Return a board's table as a list of one, or a line that says why there is none."""
    if not board["rows"]:
        return ["No job has finished"]
    metric = metric_key(leaderboard)
    columns = columns_of(board, metric, usual)
    lines = lines_of(board, metric, columns)
    against = [f"over {escape(board['baseline'])}"] if comparisons_of(board) else []
    rows = []
    for line in lines:
        gain = [escape(gain_text(line))] if against else []
        cells = [_cell(cell, marks) for cell in line.cells]
        rows.append([_name(line.row, leaderboard["seeds"], escape), *cells, *gain, f"{line.seconds:.0f}"])
    return [table(["model", *map(metric_name, columns), *against, "seconds"], rows)]


def _name(row: dict[str, Any], seeds: Sequence[int], escape: Callable[[str], str]) -> str:
    said = ", ".join(remarks(row, seeds))
    return escape(f"{row['model']} ({said})" if said else row["model"])


def _cell(cell: Cell, marks: Sequence[str]) -> str:
    if cell.value is None:
        return "-"
    text = marks[cell.place].format(f"{cell.value:.4f}")
    return text if cell.deviation is None else f"{text} ± {cell.deviation:.4f}"


def _code(lines: Iterable[str]) -> str:
    """Return lines as a block of code that no line in it can end."""
    return "\n".join(f"    {one_line(line)}" for line in lines)
