"""Run a leaderboard from Python."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from recbole_idp.errors import UserError
from recbole_idp.leaderboard.run import make_board
from recbole_idp.report.board.redraw import draw
from recbole_idp.report.displayed.leaderboard import Leaderboard, read_leaderboard


def leaderboard(models: str | Sequence[str], dataset: str | Sequence[str], **keys: Any) -> Leaderboard:
    """Train several models on one or more datasets, each in a process of its own, and compare them.

    It is the task ``leaderboard``: what has a result is not trained again, and the files of the board are written.

    Args:
        models: Names of the models.
        dataset: Name of the dataset, or names.
        **keys: All other keys, as on the command line, with values of Python: ``seeds=[2020, 2021]``,
            ``source_domains=["Beauty"]``, ``model_options={"MoRec": {"epochs": 5}}``, ``config_files=["a.yaml"]``.

    Returns:
        The leaderboard, which a notebook shows as tables. What has failed is named there.

    Raises:
        UserError: A name, key or value is wrong, or nothing could be trained.
    """
    options = {"model": _names("models", models), "dataset": _names("dataset", dataset)}
    options |= {key: value if key == "config_files" else _text(value) for key, value in keys.items()}
    path, _ = make_board(options)
    draw(path)
    return read_leaderboard(path)


def _names(key: str, given: str | Sequence[str]) -> str:
    """Return names as the command line takes them."""
    names = [given] if isinstance(given, str) else list(given)
    if not names or not all(isinstance(name, str) and name for name in names):
        raise UserError(f"{key} is {given!r}: give names, such as ['IDP', 'SASRec']")
    return ",".join(names)


def _text(value: Any) -> str:
    """Return a value as the command line takes it."""
    return value if isinstance(value, str) else json.dumps(value)
