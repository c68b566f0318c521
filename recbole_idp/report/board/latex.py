"""A leaderboard as LaTeX tables, which need the package booktabs."""

from typing import Any

from recbole_idp.evaluation.metrics import metric_name
from recbole_idp.report.apart import apart
from recbole_idp.report.board.cells import (
    Cell,
    Line,
    board_title,
    columns_of,
    comparisons_of,
    legend,
    lines_of,
)
from recbole_idp.report.board.file import metric_key
from recbole_idp.report.board.text import gain_text, one_line

# How a value is written by its place: any, best, second.
_MARKS = ("{}", r"\textbf{{{}}}", r"\underline{{{}}}")

_ESCAPES = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "±": r"$\pm$",
    **{letter: f"\\{letter}" for letter in "&%$#_{}"},
}


def board_latex(leaderboard: dict[str, Any]) -> str:
    """Draw a leaderboard, a table for each board, and those of groups of test targets.

    Args:
        leaderboard: What :func:`~recbole_idp.report.board.file.read_board` returns.

    Returns:
        LaTeX; the best of each metric is bold and the second underlined.
    """
    parts = [r"% \usepackage{booktabs}"]
    for board in leaderboard["boards"]:
        if not board["rows"]:
            parts += ["", f"% no job of {one_line(board['dataset'])}"]
            continue
        parts += ["", _table(leaderboard, board), *_apart(leaderboard, board)]
    return "\n".join(parts) + "\n"


def latex(text: str) -> str:
    """Escape plain text for LaTeX."""
    return "".join(_ESCAPES.get(letter, letter) for letter in one_line(text))


def _table(leaderboard: dict[str, Any], board: dict[str, Any]) -> str:
    metric = metric_key(leaderboard)
    columns = columns_of(board, metric)
    against = [f"over {latex(board['baseline'])}"] if comparisons_of(board) else []
    header = ["Model", *(latex(metric_name(name)) for name in columns), *against]
    rows = []
    for line in lines_of(board, metric, columns):
        gain = [_gain(line)] if against else []
        rows.append([latex(line.row["model"]), *map(_cell, line.cells), *gain])
    said = ". ".join([board_title(board, leaderboard["seeds"]), *legend(board)])
    return _tabular(header, rows, said)


def _apart(leaderboard: dict[str, Any], board: dict[str, Any]) -> list[str]:
    """Return the tables of groups of test targets, where there are some."""
    parts = []
    for found in apart({row["model"]: [row["buckets"]] for row in board["rows"]}):
        rows = [[latex(name), *(cell if cell != "-" else "--" for cell in cells)] for name, cells in found.rows.items()]
        said = f"{board_title(board, leaderboard['seeds'])}. {found.heading}"
        parts += ["", _tabular(["Model", *map(latex, found.columns)], rows, said)]
    return parts


def _tabular(header: list[str], rows: list[list[str]], caption: str) -> str:
    lines = [" & ".join(row) + r" \\" for row in (header, *rows)]
    return "\n".join(
        [
            r"\begin{table*}[t]",
            r"\centering\small",
            f"\\caption{{{latex(caption)}.}}",
            f"\\begin{{tabular}}{{l{'r' * (len(header) - 1)}}}",
            r"\toprule",
            lines[0],
            r"\midrule",
            *lines[1:],
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table*}",
        ]
    )


def _gain(line: Line) -> str:
    return "--" if line.gain is None else gain_text(line, r"\,\%", "$^{*}$").replace("-", "$-$")


def _cell(cell: Cell) -> str:
    if cell.value is None:
        return "--"
    text = _MARKS[cell.place].format(f"{cell.value:.4f}")
    return text if cell.deviation is None else f"{text} {{\\tiny$\\pm${cell.deviation:.4f}}}"
