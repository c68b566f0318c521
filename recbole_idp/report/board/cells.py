"""The content of every drawing of a leaderboard: rows in order, the best and second of each metric, gains, facts."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from recbole_idp.evaluation.metrics import goodness
from recbole_idp.report.comparison import LEVEL
from recbole_idp.report.shown import COLUMNS, shown
from recbole_idp.report.text import seeds_name


class Cell(NamedTuple):
    """A metric of a row.

    Attributes:
        value: The mean; None where the row has none.
        deviation: Its deviation over the seeds.
        place: 1 for the best of its column, 2 for the second, 0 otherwise; values that look equal share a place.
    """

    value: float | None
    deviation: float | None
    place: int


class Line(NamedTuple):
    """A row as tables show it.

    Attributes:
        row: The row.
        cells: Its metrics.
        gain: Relative gain over the baseline in the leaderboard's metric; None for the baseline itself.
        significant: Whether the difference is significant.
        seconds: Mean of its runs.
    """

    row: dict[str, Any]
    cells: list[Cell]
    gain: float | None
    significant: bool
    seconds: float


def columns_of(board: dict[str, Any], metric: str, usual: Iterable[str] = COLUMNS) -> list[str]:
    """Return the metrics that a board's table shows.

    Args:
        board: One of ``boards``.
        metric: The one that the rows are sorted by; it is always shown.
        usual: Those that are shown where ``metrics`` and ``topk`` have their defaults.

    Returns:
        Their keys.
    """
    return shown((name for row in board["rows"] for name in row["mean"]), metric, usual)


def lines_of(board: dict[str, Any], metric: str, columns: Sequence[str]) -> list[Line]:
    """Arrange the rows of a board, best first.

    Args:
        board: One of ``boards``.
        metric: The metric that they are sorted by.
        columns: The metrics to show.

    Returns:
        One for each row.
    """
    rows = sorted(board["rows"], key=lambda row: (-goodness(metric, row["mean"][metric]), row["model"]))
    columns_cells = [_column(rows, name) for name in columns]
    found = {comparison["variant"]: comparison for comparison in comparisons_of(board)}
    lines = []
    for number, row in enumerate(rows):
        comparison = found.get(row["model"])
        lines.append(
            Line(
                row,
                [cells[number] for cells in columns_cells],
                comparison["gain"] if comparison else None,
                comparison is not None and comparison["p_holm"] < LEVEL,
                mean_of(row, "seconds"),
            )
        )
    return lines


def comparisons_of(board: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the comparisons of a board with its baseline."""
    return [one for one in board["comparisons"] if one["baseline"] == board["baseline"]]


def mean_of(row: dict[str, Any], key: str) -> float:
    """Return the mean of a figure over the runs of a row."""
    values = [run[key] for run in row["runs"]]
    return sum(values) / len(values)


def _column(rows: Sequence[dict[str, Any]], name: str) -> list[Cell]:
    """Return the cells of one metric, compared as they are shown: with four decimals."""
    values = [row["mean"].get(name) for row in rows]
    rounded = [None if value is None else round(value, 4) for value in values]
    ranked = sorted((value for value in rounded if value is not None), key=lambda value: -goodness(name, value))
    # Where two share the first place, there is no second.
    places = {value: ranked.index(value) + 1 for value in ranked[:2]}
    return [
        Cell(value, row["deviation"].get(name), 0 if seen is None else places.get(seen, 0))
        for row, value, seen in zip(rows, values, rounded, strict=True)
    ]


def remarks(row: dict[str, Any], seeds: Sequence[int]) -> list[str]:
    """Return words on how a row differs from a model trained with its defaults on the target alone.

    Args:
        row: The row.
        seeds: The leaderboard's.

    Returns:
        For example ``pre-trained`` and ``tuned``.
    """
    words = ["pre-trained"] * row["transfers"] + ["tuned"] * (row["tuned"] is not None)
    if len(row["runs"]) < len(seeds):
        words.append(f"{len(row['runs'])} of {len(seeds)} seeds")
    return words


def board_title(board: dict[str, Any], seeds: Sequence[int]) -> str:
    """Return dataset, protocol and seeds of a board in one line."""
    return f"{board['dataset']}, {protocol_name(board['protocol'])}, {seeds_name(seeds)}"


def protocol_name(protocol: str) -> str:
    """Return in words how a board's models were ranked."""
    if protocol == "full":
        return "full ranking"
    for prefix, kind in (("uni", "uniform"), ("pop", "popular")):
        if (number := protocol.removeprefix(prefix)).isdecimal():
            return f"one right item among {number} {kind} negatives"
    return f"{protocol} ranking"


def facts(board: dict[str, Any]) -> str:
    """Return the size and the fingerprint of a board's data in one line, where a job has read them."""
    if board["users"] is None:
        return "unknown data"
    return (
        f"{board['users']:,} users, {board['items']:,} items, {board['interactions']:,} interactions, "
        f"data {board['data_fingerprint']}"
    )


def legend(board: dict[str, Any]) -> list[str]:
    """Return the lines that explain the marks of a table."""
    compared = comparisons_of(board)
    if not compared:
        return []
    users = sorted({one["users"] for one in compared})
    said = f"{users[0]:,}" if len(users) == 1 else f"{users[0]:,} to {users[-1]:,}"
    family = len(board["comparisons"])
    return [
        f"The improvement is that in {compared[0]['metric']} over {board['baseline']}, the baseline",
        f"* p < {LEVEL} (paired t-test over {said} users, Holm's correction for {family} comparisons)",
    ]


def failures(board: dict[str, Any]) -> list[str]:
    """Return a line for each job of a board that failed."""
    return [f"Failed: {job['model']} with seed {job['seed']}: {job['error']}" for job in board["failed"]]
