"""The trials of tuned rows: parallel coordinates, the importance of keys, and a table."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from markupsafe import Markup

from recbole_idp.evaluation.metrics import goodness, metric_name
from recbole_idp.report.page import Figure, Part, text_table
from recbole_idp.report.plot import ACCENT, CARD, MUTED, SOFT, TEXT, svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_FAILED = 0.06
"""How far below the axis of the metric a trial without a value ends."""
_LONGEST = 12
_EARLY = "pruned"


class Axis(NamedTuple):
    """An upright axis of the parallel coordinates.

    Attributes:
        place: Gives the height of a value, from 0 to 1.
        ticks: Heights and what stands there.
    """

    place: Callable[[Any], float]
    ticks: list[tuple[float, str]]


def tuned_parts(board: dict[str, Any], metric: str) -> list[Part]:
    """Return what a page shows of the trials of each tuned row; empty where none was tuned.

    Args:
        board: One of ``boards``.
        metric: The metric of the board.
    """
    found = []
    for row in tuned_rows(board):
        lines = (
            "A line for each trial, the best one in colour; the paler, the worse; dotted: ended early, or failed where "
            "it has no validation."
        )
        shares = "How much of the variance of the validation each key explains (fANOVA)."
        figures = [Figure(plot_trials(board, row, metric), lines), Figure(plot_importance(board, row), shares)]
        found.append(
            Part(
                heading=f"How {row['model']} was tuned",
                paragraphs=[tuned_line(row, metric)],
                tables=[text_table(f"Trials of {row['model']}", *trial_table(row, metric))],
                figures=[figure for figure in figures if figure.plot],
            )
        )
    return found


def tuned_rows(board: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of a board whose trials are known, in its order."""
    return [row for row in board["rows"] if row["tuned"] and row["tuned"].get("trials")]


def tuned_line(row: dict[str, Any], metric: str) -> str:
    """Return how a row was tuned, in one sentence.

    Args:
        row: A row of a board that was tuned.
        metric: The metric of the board.
    """
    tuned = row["tuned"]
    chosen = ", ".join(f"{key}={shown(value)}" for key, value in tuned["chosen"].items())
    states = [trial["state"] for trial in tuned.get("trials", ())]
    ended = [f"{states.count(state)} {word}" for state, word in _WORDS.items() if state in states]
    of_them = f" ({', '.join(ended)})" if ended else ""
    trials = f"{tuned['budget']} trials{of_them}"
    return f"Tuned on validation alone with {trials}: {chosen} ({metric_name(metric)} {tuned['valid']:.4f})"


_WORDS = {_EARLY: "ended early", "failed": "failed"}


def trial_table(row: dict[str, Any], metric: str) -> tuple[list[str], list[list[str]]]:
    """Return the trials of a row as the heads and the lines of a table.

    Args:
        row: A row of :func:`tuned_rows`.
        metric: The metric of the board.
    """
    keys = list(row["tuned"]["space"])
    heads = ["trial", *keys, f"validation {metric_name(metric)}", "epochs", "ended"]
    lines = [
        [
            str(trial["trial"]),
            *(shown(trial["params"][key]) for key in keys),
            "-" if trial["value"] is None else f"{trial['value']:.4f}",
            "-" if trial["epochs"] is None else str(trial["epochs"]),
            trial["state"] if trial["error"] is None else f"{trial['state']}: {trial['error']}",
        ]
        for trial in row["tuned"]["trials"]
    ]
    return heads, lines


def plot_trials(board: dict[str, Any], row: dict[str, Any], metric: str) -> Markup:
    """Draw a line for each trial through an axis for each key, and one for the validation.

    Args:
        board: The board of the row.
        row: A row of :func:`tuned_rows`.
        metric: The metric of the board.

    Returns:
        An SVG element.
    """
    tuned = row["tuned"]
    trials = sorted(tuned["trials"], key=lambda trial: _goodness(trial, metric))
    values = [trial["value"] for trial in trials if trial["value"] is not None]
    axes_of_keys = {key: _axis(written) for key, written in tuned["space"].items()}
    valid = _numbers(min(values, default=0.0), max(values, default=1.0))
    best = next((trial for trial in reversed(trials) if trial["state"] == "complete"), None)

    def draw(axes: Axes) -> None:
        for rank, trial in enumerate(trials, 1):
            heights = [axis.place(trial["params"][key]) for key, axis in axes_of_keys.items()]
            heights.append(-_FAILED if trial["value"] is None else valid.place(trial["value"]))
            is_best, is_complete = trial is best, trial["state"] == "complete"
            axes.plot(
                range(len(heights)),
                heights,
                color=ACCENT if is_best else MUTED,
                linewidth=2.4 if is_best else 1.1,
                linestyle="-" if is_complete else ":",
                alpha=1 if is_best else 0.25 + 0.6 * rank / len(trials),
                marker="o",
                markersize=4.5 if is_best else 2.5,
                zorder=3 if is_best else 2,
            )
        named = {**axes_of_keys, f"validation {metric_name(metric)}": valid}
        for number, axis in enumerate(named.values()):
            axes.axvline(number, color=SOFT, linewidth=1, zorder=1)
            for height, said in axis.ticks:
                back = {"facecolor": CARD, "edgecolor": "none", "pad": 0.8, "alpha": 0.85}
                axes.text(number + 0.035, height, said, fontsize=8.5, color=SOFT, va="center", zorder=4, bbox=back)
        # Names of neighbours stand on two lines, as they are longer than the way between them.
        names = [f"\n{name}" if number % 2 and len(named) > 3 else name for number, name in enumerate(named)]
        axes.set_xticks(range(len(named)), names, color=TEXT, fontsize=9)
        axes.set_yticks([])
        axes.spines[["left", "bottom"]].set_visible(False)
        axes.set_xlim(-0.15, len(named) - 1 + 0.45)
        axes.set_ylim(-0.12, 1.06)

    label = f"Trials of {row['model']} on {board['dataset']}, {board['protocol']}"
    return svg(draw, label, (max(5, 1.1 * (1 + len(axes_of_keys))), 3.2))


def plot_importance(board: dict[str, Any], row: dict[str, Any]) -> Markup:
    """Draw a bar for each key: its share in the variance of the validation.

    Args:
        board: The board of the row.
        row: A row of :func:`tuned_rows`.

    Returns:
        An SVG element; empty where the trials say nothing.
    """
    found = sorted(row["tuned"].get("importance", {}).items(), key=lambda item: item[1])
    if not found:
        return Markup()

    def draw(axes: Axes) -> None:
        axes.barh(range(len(found)), [100 * share for _, share in found], 0.62, color=MUTED)
        for place, (_, share) in enumerate(found):
            axes.text(100 * share + 1.5, place, f"{100 * share:.0f} %", va="center", fontsize=9)
        axes.set_ylim(-0.6, len(found) - 0.4)
        axes.set_yticks(range(len(found)), [key for key, _ in found], color=TEXT, fontsize=9)
        axes.spines["left"].set_visible(False)
        axes.set_xlim(0, 115)
        axes.set_xticks([0, 25, 50, 75, 100])
        axes.set_xlabel("share of the variance of the validation (%)")

    label = f"Importance of the keys of {row['model']} on {board['dataset']}, {board['protocol']}"
    return svg(draw, label, (5, 0.8 + 0.36 * max(2, len(found))))


def shown(value: Any) -> str:
    """Return a value of a key in few digits."""
    if isinstance(value, float):
        return f"{value:.4g}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _goodness(trial: dict[str, Any], metric: str) -> tuple[bool, float, int]:
    """Return an order of trials: the best is the last, the first of equals after the others."""
    value = trial["value"]
    good = -math.inf if value is None else goodness(metric, value)
    return trial["state"] == "complete", good, -trial["trial"]


def _axis(written: dict[str, Sequence[Any]]) -> Axis:
    """Return the axis of a range, as a space has it."""
    ((kind, values),) = written.items()
    if kind != "choice":
        return _numbers(values[0], values[1], "log" in kind, "int" in kind)
    places = {json.dumps(value): number / (len(values) - 1) for number, value in enumerate(values)}
    ticks = [(places[json.dumps(value)], shown(value)[:_LONGEST]) for value in values]
    return Axis(lambda value: places[json.dumps(value)], ticks)


def _numbers(low: float, high: float, log: bool = False, whole: bool = False) -> Axis:
    """Return an axis of numbers, with ticks at its ends and in the middle."""
    by: Callable[[float], float] = math.log if log else float
    back: Callable[[float], float] = math.exp if log else float
    start, width = by(low), (by(high) - by(low)) or 1.0

    def place(value: float) -> float:
        return (by(value) - start) / width

    middle = back(start + width / 2)
    middle = round(middle) if whole else float(f"{middle:.2g}") if log else middle
    found = [low, middle, high] if low < middle < high else [low, high] if low < high else [low]
    return Axis(place, [(place(value), shown(value)) for value in found])
