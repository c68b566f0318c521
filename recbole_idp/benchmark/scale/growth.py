"""Slopes, table and plot of what was measured at several sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from recbole_idp.report.plot import CURVES, MARKERS
from recbole_idp.storage.files import replacing

if TYPE_CHECKING:
    from recbole_idp.benchmark.scale.request import ScaleSize

Measured = Mapping[str, Mapping["ScaleSize", Mapping[str, Mapping[str, Any]]]]
"""Measurements by side, size and stage."""


class Stage(NamedTuple):
    """A stage.

    Attributes:
        label: Its name in the table.
        grows_with: Whether its size is the number of ``events`` or of ``items``; what else it works on is fixed.
    """

    label: str
    grows_with: str


STAGES = {
    "read": Stage("read and filter", "events"),
    "index": Stage("index as a source", "events"),
    "split": Stage("split as a target", "events"),
    "pretraining": Stage("training steps", "items"),
    "pretraining_rows": Stage("training steps, row updates", "items"),
    "evaluation": Stage("evaluation of some users", "items"),
    "match": Stage("matching, exact", "items"),
    "match_ivf": Stage("matching, IVF", "items"),
    "recommend": Stage("recommend to some users", "items"),
}
SIDES = {"ours": "here", "recbole": "RecBole", "rectools": "RecTools"}
QUANTITIES = {"cpu_seconds": "processor seconds", "peak_mb": "peak memory, MiB"}


def points(measured: Measured, side: str, stage: str, quantity: str) -> list[tuple[int, float]]:
    """Return sizes and values of a stage, where both are positive, the smallest first."""
    grows_with = STAGES[stage].grows_with
    found = [
        (getattr(size, grows_with), stages[stage][quantity])
        for size, stages in measured.get(side, {}).items()
        if stages.get(stage, {}).get(quantity)
    ]
    return sorted((size, value) for size, value in found if value > 0)


def slope(measurements: Sequence[tuple[int, float]]) -> float | None:
    """Fit a straight line to the logarithms by least squares.

    Args:
        measurements: Sizes and values.

    Returns:
        Its slope: 1 where values grow as sizes do, 2 where they grow as their squares. None with fewer than two sizes.
    """
    if len({size for size, _ in measurements}) < 2:
        return None
    sizes, values = np.log(np.array(measurements, dtype=float)).T
    sizes = sizes - sizes.mean()
    return float((sizes * values).sum() / (sizes * sizes).sum())


def slopes(measured: Measured) -> dict[str, dict[str, dict[str, float]]]:
    """Return the slopes of all stages that have one, by side, stage and quantity."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for side in measured:
        for stage in STAGES:
            values = {quantity: slope(points(measured, side, stage, quantity)) for quantity in QUANTITIES}
            if known := {quantity: round(value, 3) for quantity, value in values.items() if value is not None}:
                found.setdefault(side, {})[stage] = known
    return found


def markdown(measured: Measured) -> str:
    """Return a table: processor seconds (wall seconds), peak memory, and slopes."""
    sizes = sorted({size for by_size in measured.values() for size in by_size})
    head = ["", "", *(f"{size.events:,} events, {size.items:,} items" for size in sizes), "slope of time", "of memory"]
    fitted = slopes(measured)
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for stage, (label, grows_with) in STAGES.items():
        for side, name in SIDES.items():
            cells = [cell(measured.get(side, {}).get(size, {}).get(stage)) for size in sizes]
            if not any(cells):
                continue
            slope_of = fitted.get(side, {}).get(stage, {})
            last = [f"{slope_of[key]:.2f}" if key in slope_of else "" for key in QUANTITIES]
            lines.append("| " + " | ".join([f"{label} (by {grows_with})", name, *cells, *last]) + " |")
    return "\n".join(lines)


def cell(facts: Mapping[str, Any] | None) -> str:
    """Return the measurements of a stage in words; empty where there are none."""
    if not facts:
        return ""
    if "ended" in facts:
        return str(facts["ended"])
    memory = "" if facts["peak_mb"] is None else f", {facts['peak_mb']:,.0f} MiB"
    return f"{facts['cpu_seconds']:,.2f} s ({facts['seconds']:,.2f}){memory}"


def plot(measured: Measured, path: Path) -> None:
    """Draw growth on logarithmic axes, with the slopes in the legend.

    Args:
        measured: The measurements.
        path: The PNG file.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 6), layout="constrained")
    for axes, (quantity, label) in zip(figure.subplots(1, 2), QUANTITIES.items(), strict=True):
        for number, (stage, about) in enumerate(STAGES.items()):
            for side, style in zip(SIDES, ("-", "--", ":"), strict=True):
                drawn = points(measured, side, stage, quantity)
                if not drawn:
                    continue
                fitted = slope(drawn)
                name = f"{about.label}, {SIDES[side]}" + ("" if fitted is None else f": {fitted:.2f}")
                colour, marker = CURVES[number % len(CURVES)], MARKERS[number % len(MARKERS)]
                axes.plot(*zip(*drawn, strict=True), style, color=colour, marker=marker, label=name)
        axes.set(xscale="log", yscale="log", xlabel="events, or items, of the data", title=f"{label}: slope")
        axes.grid(alpha=0.3)
        if axes.lines:
            axes.legend(fontsize=7)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)
