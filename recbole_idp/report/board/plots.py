"""The plots of a leaderboard's page."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from recbole_idp.evaluation.metrics import goodness, metric_name
from recbole_idp.report.board.cells import mean_of
from recbole_idp.report.board.names import RowNames
from recbole_idp.report.few_shot import draw_shares
from recbole_idp.report.plot import ACCENT, CARD, MUTED, SOFT, TEXT, svg
from recbole_idp.report.plot_labels import label_ends, label_points

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes


_PANELS = 4

# Shorter training is drawn here: a logarithmic axis has no zero.
_LEAST_SECONDS = 0.1
_TICKS = (
    (0.1, "0.1 s"),
    (1, "1 s"),
    (10, "10 s"),
    (60, "1 min"),
    (600, "10 min"),
    (3600, "1 h"),
    (36000, "10 h"),
    (360000, "100 h"),
)


def plot_metric(board: dict[str, Any], metric: str) -> Markup:
    """Draw a bar for each model, with its deviation over the seeds.

    Args:
        board: One of ``boards``, with rows.
        metric: The metric that the bars show.

    Returns:
        An SVG element.
    """
    rows, names = _worst_first(board, metric), RowNames.of(board)
    means = [row["mean"][metric] for row in rows]
    spreads = [row["deviation"].get(metric, 0) for row in rows]
    ends = [mean + spread for mean, spread in zip(means, spreads, strict=True)]
    reach = max(ends) or 1

    def draw(axes: Axes) -> None:
        axes.barh(range(len(rows)), means, 0.62, color=_colours(rows))
        for place, (mean, spread, end) in enumerate(zip(means, spreads, ends, strict=True)):
            if spread:
                axes.errorbar(mean, place, xerr=spread, color=TEXT, capsize=3, linewidth=1.2)
            back = {"facecolor": CARD, "edgecolor": "none", "pad": 1}
            axes.text(end + 0.02 * reach, place, f"{mean:.4f}", va="center", fontsize=9, bbox=back)
        for row in rows:
            if row["model"] == board["baseline"]:
                axes.axvline(row["mean"][metric], color=SOFT, linestyle=":", linewidth=1, zorder=0)
        axes.set_xlim(0, 1.16 * reach)
        axes.locator_params(axis="x", nbins=5)
        _name_rows(axes, rows, names)
        axes.set_xlabel(metric_name(metric))

    label = f"{metric_name(metric)} on {board['dataset']} by model, {board['protocol']}"
    return svg(draw, label, (5, _height(rows)))


def plot_buckets(board: dict[str, Any], metric: str, kind: str) -> Markup:
    """Draw a panel of bars for each bucket, a bar for each model.

    Args:
        board: One of ``boards``, with rows.
        metric: The metric that the bars show.
        kind: Which buckets, such as ``popularity`` or ``history``.

    Returns:
        An SVG element; empty where no row has such buckets with the metric.
    """
    rows, names = _worst_first(board, metric), RowNames.of(board)
    values = [_bucket_values(row, metric, kind) for row in rows]
    labels = bucket_labels(rows, metric, kind)
    if not labels:
        return Markup()
    users = {bucket["label"]: bucket["users"] for row in rows for bucket in row["buckets"].get(kind, [])}
    reach = max(value for of in values for value in of.values()) or 1
    lines = math.ceil(len(labels) / _PANELS)
    columns = math.ceil(len(labels) / lines)

    def draw(panels: np.ndarray) -> None:
        panels = panels.ravel()
        for panel, name in zip(panels, labels, strict=False):
            found = [of.get(name) for of in values]
            panel.barh(range(len(rows)), [value or 0 for value in found], 0.62, color=_colours(rows))
            best = max((value for value in found if value), default=None)
            for place, value in enumerate(found):
                said = "-" if value is None else f"{value:.3f}"
                weight = "bold" if value is not None and value == best else "normal"
                panel.text((value or 0) + 0.03 * reach, place, said, va="center", fontsize=8, fontweight=weight)
            panel.set_title(f"{name}\n{users[name]:,} targets", fontsize=8, color=SOFT, loc="left")
            panel.set_xlim(0, 1.6 * reach)
            panel.set_xticks([])
            panel.spines["bottom"].set_visible(False)
            _name_rows(panel, rows, names)
        for panel in panels[len(labels) :]:
            panel.set_visible(False)
        for number, panel in enumerate(panels):
            panel.tick_params(labelleft=number % columns == 0)

    label = f"{metric_name(metric)} on {board['dataset']} by {kind}, {board['protocol']}"
    grid = {"nrows": lines, "ncols": columns, "squeeze": False}
    return svg(draw, label, (5, lines * (0.6 + 0.27 * len(rows))), **grid)


def bucket_labels(rows: Iterable[dict[str, Any]], metric: str, kind: str) -> list[str]:
    """Return the labels of the buckets that some row has a metric for, in the order of the rows."""
    return list(dict.fromkeys(label for row in rows for label in _bucket_values(row, metric, kind)))


def plot_time(board: dict[str, Any], metric: str) -> Markup:
    """Draw a point for each model: its metric by its training time.

    Args:
        board: One of ``boards``, with rows.
        metric: The metric.

    Returns:
        An SVG element.
    """
    rows, names = _worst_first(board, metric), RowNames.of(board)
    points = [(max(_LEAST_SECONDS, mean_of(row, "seconds")), row["mean"][metric]) for row in rows]

    def draw(axes: Axes) -> None:
        times, values = zip(*points, strict=True)
        axes.scatter(times, values, c=_colours(rows), s=34, zorder=3)
        axes.set_xscale("log")
        axes.set_xticks([time for time, _ in _TICKS], [name for _, name in _TICKS])
        axes.set_xlim(min(times) / 1.8, max(times) * 1.8)
        axes.minorticks_off()
        axes.margins(y=0.12)
        axes.grid(linewidth=0.6)
        axes.set_axisbelow(True)
        axes.set_xlabel("training time of one run")
        axes.set_ylabel(metric_name(metric))
        label_points(axes, points, [names.cut(row["model"]) for row in rows])

    label = f"{metric_name(metric)} on {board['dataset']} by training time, {board['protocol']}"
    return svg(draw, label, (5, max(3, _height(rows))))


def plot_shares(board: dict[str, Any], metric: str) -> Markup:
    """Draw a metric over the share of training users, a curve for each model of a few-shot study.

    Args:
        board: One of ``boards``.
        metric: The metric that the curves show.

    Returns:
        An SVG element; empty where there is no such study.
    """
    curves, names = {}, RowNames.of(board)
    for row in reversed(_worst_first(board, metric)):
        parts = {one["share"]: one for one in row["few_shot"] if metric in one["mean"]}
        if parts:
            parts.setdefault(row["config"].get("train_users_share", 1), row)
            curves[names.cut(row["model"])] = {
                share: (parts[share]["mean"][metric], parts[share]["deviation"].get(metric, 0))
                for share in sorted(parts)
            }
    if not curves:
        return Markup()

    def draw(axes: Axes) -> None:
        colours = draw_shares(axes, curves)
        axes.set_ylabel(metric_name(metric))
        ends = {name: (100 * max(curve), curve[max(curve)][0]) for name, curve in curves.items()}
        label_ends(axes, ends, colours)

    label = f"{metric_name(metric)} on {board['dataset']} by share of the training users, {board['protocol']}"
    return svg(draw, label, (5, max(3.4, 0.8 + 0.25 * len(curves))))


def _worst_first(board: dict[str, Any], metric: str) -> list[dict[str, Any]]:
    """Return the rows in the order of bars, which are drawn from the bottom."""
    return sorted(board["rows"], key=lambda row: (goodness(metric, row["mean"][metric]), row["model"]))


def _height(rows: Sequence[dict[str, Any]]) -> float:
    """Return the height of a plot with a line for each row, in inches."""
    return 0.7 + 0.33 * max(3, len(rows))


def _bucket_values(row: dict[str, Any], metric: str, kind: str) -> dict[str, float]:
    found = row["buckets"].get(kind, [])
    return {one["label"]: one["metrics"][metric] for one in found if metric in one["metrics"]}


def _colours(rows: Iterable[dict[str, Any]]) -> list[str]:
    return [ACCENT if row["transfers"] else MUTED for row in rows]


def _name_rows(axes: Axes, rows: Sequence[dict[str, Any]], names: RowNames) -> None:
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.set_yticks(range(len(rows)), [names.cut(row["model"]) for row in rows], color=TEXT, fontsize=9)
    axes.spines["left"].set_visible(False)
