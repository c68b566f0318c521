"""The plot of a sweep: a metric over the values of a key."""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from recbole_idp.evaluation.metrics import metric_name
from recbole_idp.report.board.names import are_numbers, value_text
from recbole_idp.report.inspect_text import shortened
from recbole_idp.report.plot import CURVES, MARKERS, SOFT, svg

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

_NAME_LENGTH = 28
# Values that lie so many times apart are drawn on a logarithmic axis.
_FAR = 20


def plot_sweep(board: dict[str, Any], metric: str) -> Markup:
    """Draw a metric over the values of a key, a curve for each model; a dotted line for each model without the key.

    Args:
        board: One of ``boards``.
        metric: The metric that the curves show.

    Returns:
        An SVG element; empty where no key was swept.
    """
    swept = [row for row in board["rows"] if row.get("swept")]
    if not swept:
        return Markup()
    values: list[Any] = []
    for row in swept:
        if row["swept"]["value"] not in values:
            values.append(row["swept"]["value"])
    is_numeric = are_numbers(values)
    key = swept[0]["swept"]["key"]

    def draw(axes: Axes) -> None:
        curves: dict[str, list[dict[str, Any]]] = {}
        for row in swept:
            curves.setdefault(row["swept"]["of"], []).append(row)
        for (name, rows), colour, marker in zip(curves.items(), cycle(CURVES), cycle(MARKERS), strict=False):
            places = [row["swept"]["value"] if is_numeric else values.index(row["swept"]["value"]) for row in rows]
            order = sorted(range(len(rows)), key=places.__getitem__)
            axes.errorbar(
                [places[number] for number in order],
                [rows[number]["mean"][metric] for number in order],
                [rows[number]["deviation"].get(metric, 0) for number in order],
                label=shortened(name, _NAME_LENGTH),
                color=colour,
                marker=marker,
                markersize=5,
                capsize=3,
                linewidth=1.5,
            )
        for row in board["rows"]:
            if not row.get("swept"):
                axes.axhline(row["mean"][metric], color=SOFT, linestyle=":", linewidth=1)
                label = shortened(row["model"], _NAME_LENGTH)
                axes.text(
                    0.01, row["mean"][metric], label, fontsize=8, va="bottom", transform=axes.get_yaxis_transform()
                )
        _mark_values(axes, values, is_numeric)
        axes.set_xlabel(key)
        axes.set_ylabel(metric_name(metric))
        axes.set_ylim(bottom=0)
        axes.legend(frameon=False, fontsize=8)

    label = f"{metric_name(metric)} on {board['dataset']} by {key}, {board['protocol']}"
    return svg(draw, label, (5, 3.4))


def _mark_values(axes: Axes, values: Sequence[Any], is_numeric: bool) -> None:
    """Put a tick at each value."""
    if not is_numeric:
        names = [shortened(value_text(value), _NAME_LENGTH) for value in values]
        axes.set_xticks(range(len(values)), names, rotation=20, ha="right")
        return
    if min(values) > 0 and max(values) >= _FAR * min(values):
        axes.set_xscale("log")
    axes.set_xticks(sorted(values), [f"{value:g}" for value in sorted(values)])
    axes.minorticks_off()
