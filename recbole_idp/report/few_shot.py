"""A few-shot study: one metric by variant and share of the training users, as a table and as curves."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recbole_idp.evaluation.metrics import best_of
from recbole_idp.report.plot import CURVES, MARKERS
from recbole_idp.report.result import cell, table, with_baselines
from recbole_idp.storage.files import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes


PLOT = ".svg"
"""Suffix of a result's plot."""


def study(result: dict[str, Any]) -> dict[str, dict[float, dict[str, Any]]]:
    """Arrange the rows of a result by variant and share.

    Args:
        result: What :func:`~recbole_idp.report.result.read_result` returns.

    Returns:
        The row of each variant and share.
    """
    found: dict[str, dict[float, dict[str, Any]]] = {}
    for row in with_baselines(result).values():
        found.setdefault(row["variant"], {})[row["train_users_share"]] = row
    return found


def study_table(result: dict[str, Any], metric: str) -> str:
    """Draw a table of one metric by variant and share.

    Args:
        result: The result of a few-shot study.
        metric: A key of its ``test`` metrics.

    Returns:
        A Markdown table; the best of each share is bold.
    """
    rows = study(result)
    shares = sorted({share for of_variant in rows.values() for share in of_variant})
    best = {share: best_of(metric, (of[share]["test"][metric] for of in rows.values())) for share in shares}
    users = {share: next(iter(rows.values()))[share]["train_users"] for share in shares}
    header = ["variant", *(f"{100 * share:.4g} % ({users[share]:,} users)" for share in shares)]
    cells = [[name, *(cell(of[share], metric, best[share]) for share in shares)] for name, of in rows.items()]
    return table(header, cells)


def plot_study(result: dict[str, Any], metric: str, path: str | Path) -> None:
    """Draw one metric over the share of training users, a curve for each variant, with its deviation over the seeds.

    Args:
        result: The result of a few-shot study.
        metric: A key of its ``test`` metrics.
        path: The SVG file, written whole or not at all.

    Raises:
        UserError: The file cannot be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    curves = {}
    for name, of_variant in study(result).items():
        curves[name] = {
            share: (of_variant[share]["test"][metric], of_variant[share].get("test_deviation", {}).get(metric, 0))
            for share in sorted(of_variant)
        }
    draw_shares(axes, curves)
    axes.set_ylabel(f"{metric.upper()}, all test targets")
    axes.set_title(f"{result['model']} on {result['dataset']}")
    axes.legend()
    with replacing(path) as temporary:
        figure.savefig(temporary, format="svg")


def draw_shares(axes: Axes, curves: Mapping[str, Mapping[float, tuple[float, float]]]) -> dict[str, str]:
    """Draw curves over the share of training users.

    Args:
        axes: The axes to draw on.
        curves: Mean and standard deviation by name and share; shares are from 0 to 1.

    Returns:
        The colour of each curve.
    """
    colours = {}
    for (name, curve), colour, marker in zip(curves.items(), cycle(CURVES), cycle(MARKERS), strict=False):
        colours[name] = colour
        values, spread = zip(*curve.values(), strict=True)
        style: dict[str, Any] = {"color": colour, "marker": marker, "markersize": 5, "capsize": 3, "linewidth": 1.5}
        axes.errorbar([100 * share for share in curve], values, spread, label=name, **style)
    axes.set_xscale("log")
    ticks = sorted({100 * share for curve in curves.values() for share in curve})
    axes.set_xticks(ticks, [f"{tick:.4g} %" for tick in ticks], minor=False)
    axes.minorticks_off()
    axes.set_xlabel("share of the target's users that are trained on")
    axes.set_ylim(bottom=0)
    return colours
