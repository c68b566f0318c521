"""The JSON file that a leaderboard leaves, from which all its tables and pages are drawn."""

from pathlib import Path
from typing import Any

from recbole_idp.errors import UserError
from recbole_idp.report.result import BUCKETS, COMPARISON, METRICS
from recbole_idp.storage.files import read_json, write_json
from recbole_idp.storage.schema import Nullable, ObjectOf, OptionalKey, SchemaError, check_schema

FORMAT = 1
KIND = "leaderboard"

_RUN = {"seed": int, "test": METRICS, "valid": METRICS, "seconds": float, "targets_per_second": Nullable(float)}
_KINDS = ("log", "uniform", "int", "log_int", "choice")
_TRIAL = {
    "trial": int,
    "params": ObjectOf(),
    "state": {"complete", "pruned", "failed"},
    "value": Nullable(float),
    "epochs": Nullable(int),
    "error": Nullable(str),
}
_TUNED = {
    "budget": int,
    "chosen": ObjectOf(),
    "valid": float,
    # Boards of older releases have no trials; where there are some, there is their space.
    "space": OptionalKey(ObjectOf(ObjectOf())),
    "trials": OptionalKey([_TRIAL]),
    "importance": OptionalKey(ObjectOf(float)),
}
_ROW = {
    "model": str,
    "transfers": bool,
    "tuned": Nullable(_TUNED),
    "runs": [_RUN],
    "mean": METRICS,
    "deviation": METRICS,
    "buckets": ObjectOf(BUCKETS),
    "few_shot": [{"share": float, "mean": METRICS, "deviation": METRICS}],
    "swept": OptionalKey(Nullable(ObjectOf())),
    "config": ObjectOf(),
    "command": str,
}
_BOARD = {
    "dataset": str,
    "protocol": str,
    # Null where no job has been finished.
    "data_fingerprint": Nullable(str),
    "users": Nullable(int),
    "items": Nullable(int),
    "interactions": Nullable(int),
    "rows": [_ROW],
    "failed": [{"model": str, "seed": int, "error": str}],
    "baseline": Nullable(str),
    "comparisons": [COMPARISON],
    "notes": [str],
}
_SCHEMA = {
    "command": str,
    "created": str,
    "versions": ObjectOf(),
    "seeds": [int],
    "metric": str,
    "boards": [_BOARD],
}


def save_board(board: dict[str, Any], path: str | Path) -> None:
    """Write a leaderboard, whole or not at all.

    Args:
        board: The leaderboard, with the structure that :func:`read_board` checks; ``format`` and ``kind`` are added.
        path: The JSON file.

    Raises:
        UserError: The file cannot be written.
    """
    write_json(path, {**board, "format": FORMAT, "kind": KIND})


def read_board(path: str | Path) -> dict[str, Any]:
    """Read a leaderboard, and check everything that its tables and pages are drawn from.

    Args:
        path: A file that :func:`save_board` wrote.

    Returns:
        The leaderboard; unknown keys are kept.

    Raises:
        UserError: The file is missing, damaged, no leaderboard, or of another version.
    """
    board = read_json(path, "leaderboard", "give the JSON file that one has left in result_dir")
    if not isinstance(board, dict) or board.get("kind") != KIND:
        raise UserError(f"{path} is no leaderboard of recbole_idp: give the JSON file that one has left in result_dir")
    if board.get("format") != FORMAT:
        raise UserError(
            f"{path} is a leaderboard of format {board.get('format')}, this release reads format {FORMAT}: run the "
            "leaderboard again, or read it with the release that wrote it"
        )
    try:
        check_schema(board, _SCHEMA)
        _check_boards(board)
    except SchemaError as error:
        raise UserError(
            f"{path} is a damaged leaderboard ({error}): give the file as it was written, or run the leaderboard again"
        ) from None
    return board


def metric_key(board: dict[str, Any]) -> str:
    """Return the metric that a leaderboard is sorted by, spelt as in its rows."""
    return board["metric"].lower()


def _check_boards(leaderboard: dict[str, Any]) -> None:
    """Check that the boards are consistent in themselves and with one another."""
    if not leaderboard["boards"]:
        raise SchemaError("it has no board")
    seen = set()
    for number, board in enumerate(leaderboard["boards"]):
        name = f"{board['dataset']} by {board['protocol']}"
        if (key := (board["dataset"], board["data_fingerprint"], board["protocol"])) in seen:
            raise SchemaError(f"boards has {name} twice")
        seen.add(key)
        _check_board(board, f"boards[{number}]", metric_key(leaderboard))


def _check_board(board: dict[str, Any], where: str, metric: str) -> None:
    models = [row["model"] for row in board["rows"]]
    for number, row in enumerate(board["rows"]):
        if models.count(row["model"]) > 1:
            raise SchemaError(f"{where} has two rows of {row['model']}")
        if not row["runs"]:
            raise SchemaError(f"{where}.rows[{number}] has no runs")
        if row["tuned"] is not None:
            _check_trials(row["tuned"], f"{where}.rows[{number}].tuned")
        if metric not in row["mean"]:
            raise SchemaError(f"{where}.rows[{number}].mean has no {metric}")
    for comparison in board["comparisons"]:
        for side in ("variant", "baseline"):
            if comparison[side] not in models:
                raise SchemaError(f"{where}.comparisons names {comparison[side]}, which has no row")


def _check_trials(tuned: dict[str, Any], where: str) -> None:
    """Check that each trial has a value in the range of each key, by which it is drawn."""
    for key, written in tuned.get("space", {}).items():
        kind, values = next(iter(written.items()), ("", None))
        if kind not in _KINDS or not isinstance(values, list) or len(values) < 2:
            raise SchemaError(f"{where}.space has no range of {key}")
        numbers = all(isinstance(value, (int, float)) for value in values)
        if kind != "choice" and not (numbers and values[0] < values[1] and (values[0] > 0 or "log" not in kind)):
            raise SchemaError(f"{where}.space has no range of {key}")
        for trial in tuned.get("trials", ()):
            value = trial["params"].get(key)
            within = isinstance(value, (int, float)) and kind != "choice" and values[0] <= value <= values[1]
            if not within and value not in values:
                raise SchemaError(f"{where}.trials has {key} {value}, outside its space")
