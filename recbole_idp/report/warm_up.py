"""A warm-up study: recall on new items and on all items by the period, as a table and as a plot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recbole_idp.report.plot import ACCENT, CURVES, MARKERS, MUTED, SOFT
from recbole_idp.report.result import table
from recbole_idp.report.text import seeds_name
from recbole_idp.storage.files import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes


FORMAT = 1
PLOT = ".svg"
"""Suffix of a study's plot."""

_TITLES = {"new": "new items", "all": "all items"}
_COLUMNS = (("new", "recall@10"), ("new", "ndcg@10"), ("all", "recall@10"), ("all", "ndcg@10"))
_NAMES = {"recall@10": "Recall@10", "ndcg@10": "NDCG@10"}
_SHOWN = "recall@10"


def period_name(period: int | str) -> str:
    """Return a period in words."""
    return {0: "never", 1: "every slice"}.get(int(period), f"every {int(period)} slices")


def warm_up_table(result: dict[str, Any]) -> str:
    """Draw a table with a row for each period.

    Args:
        result: What :func:`~recbole_idp.run.warm_up.warm_up` returns.

    Returns:
        A Markdown table; the best value of each column is bold.
    """
    periods = result["periods"]
    best = {}
    for part, metric in _COLUMNS:
        values = [row[part][metric] for row in periods.values() if row[part][metric] is not None]
        best[part, metric] = max(values, default=None)
    header = ["restarted", *(f"{_NAMES[metric]}, {_TITLES[part]}" for part, metric in _COLUMNS)]
    rows = [
        [period_name(period), *(_cell(row[part], metric, best[part, metric]) for part, metric in _COLUMNS)]
        for period, row in periods.items()
    ]
    return table(header, rows)


def _cell(values: dict[str, Any], metric: str, best: float | None) -> str:
    if values[metric] is None:
        return "-"
    text = f"**{values[metric]:.4f}**" if values[metric] == best else f"{values[metric]:.4f}"
    deviation = values.get(f"{metric}_deviation")
    return text if deviation is None else f"{text} ± {deviation:.4f}"


def warm_up_text(result: dict[str, Any], path: Path) -> str:
    """Describe a study: its table, the events that it is based on, and where it is saved.

    Args:
        result: As for :func:`warm_up_table`.
        path: Its file.

    Returns:
        The lines.
    """
    first, seeds = next(iter(result["periods"].values())), result["seeds"]
    count, share = len(result["slices"]) - 1, _share(result)
    stages = ", ".join(f"{name} {facts['seconds']:.1f} s" for name, facts in result["stages"].items())
    left_out = sum(outcome["unpublished"] for outcome in first["runs"][0][1:])
    return "\n".join(
        [
            f"\n{result['dataset']}, {count} slices after {share:.0%} of the events, full ranking of what is "
            f"published, {seeds_name(seeds)}\n",
            warm_up_table(result),
            f"\nSlices 2 to {count}: {first['all']['events']:,} events{_drawn(result)}, and all "
            f"{first['new']['events']:,} with new items; {left_out:,} more are with items that were not published "
            "before their slice",
            f"Stages: {stages}; peak memory {result['peak_memory_mb']:,} MiB",
            f"Result: {path}",
            f"Plot: {path.with_suffix(PLOT)}",
        ]
    )


def _drawn(result: dict[str, Any]) -> str:
    most = result["config"]["warm_up_test_events"]
    return f" ({most:,} of a slice at most, drawn)" if most else ""


def _share(result: dict[str, Any]) -> float:
    events = [one["events"] for one in result["slices"]]
    return events[0] / sum(events)


def plot_warm_up(result: dict[str, Any], path: str | Path) -> None:
    """Draw recall on new and on all items, by the period above and slice by slice below.

    Args:
        result: As for :func:`warm_up_table`.
        path: The SVG file, written whole or not at all.

    Raises:
        UserError: The file cannot be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 6), layout="constrained")
    panels = figure.subplots(2, 2)
    periods = list(result["periods"])
    colours = {period: CURVES[place % len(CURVES)] for place, period in enumerate(periods)}
    for column, part in enumerate(("new", "all")):
        _draw_periods(panels[0, column], result["periods"], periods, part)
        _draw_slices(panels[1, column], result["periods"], periods, part, colours)
    for panel in panels.ravel():
        panel.spines[["top", "right"]].set_visible(False)
        # Room for the numbers; without any value, and where all are zero, the limits are infinite or nothing.
        highest = panel.dataLim.y1
        panel.set_ylim(0, 1.2 * highest if 0 < highest < float("inf") else 1)
        panel.locator_params(axis="y", nbins=5)
    panels[1, 1].legend(title="restarted", fontsize=8, title_fontsize=8, frameon=False, loc="lower left")
    figure.suptitle(f"{result['model']} on {result['dataset']}: when targeted training restarts", parse_math=False)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="svg", metadata={"Date": None})


def _draw_periods(axes: Axes, rows: dict[str, Any], periods: Sequence[str], part: str) -> None:
    """Draw the mean over all slices for each period."""
    places = [place for place, period in enumerate(periods) if rows[period][part][_SHOWN] is not None]
    values = [rows[periods[place]][part] for place in places]
    spread = [value.get(f"{_SHOWN}_deviation", 0.0) for value in values]
    colour = ACCENT if part == "new" else MUTED
    means = [value[_SHOWN] for value in values]
    axes.errorbar(places, means, spread, color=colour, marker="o", capsize=3, linewidth=1.5)
    for place, mean in zip(places, means, strict=True):
        offset: dict[str, Any] = {
            "xytext": (0, 10),
            "textcoords": "offset points",
            "ha": "center",
            "fontsize": 9,
            "color": SOFT,
        }
        axes.annotate(
            f"{mean:.4f}", (place, mean), bbox={"facecolor": "white", "edgecolor": "none", "pad": 1}, **offset
        )
    axes.margins(x=0.12)
    axes.set_xticks(range(len(periods)), [period_name(period) for period in periods])
    axes.set_title(f"{_TITLES[part]} ({rows[periods[0]][part]['events']:,} events)", fontsize=11)
    axes.set_ylabel(_NAMES[_SHOWN])


def _draw_slices(
    axes: Axes, rows: dict[str, Any], periods: Sequence[str], part: str, colours: Mapping[str, str]
) -> None:
    """Draw each slice's mean for each period."""
    for place, period in enumerate(periods):
        runs = [[outcome[part] for outcome in outcomes] for outcomes in rows[period]["runs"]]
        slices = [number for number, one in enumerate(runs[0]) if one["events"]]
        means = [sum(run[number][_SHOWN] for run in runs) / len(runs) for number in slices]
        style: dict[str, Any] = {
            "color": colours[period],
            "marker": MARKERS[place % len(MARKERS)],
            "markersize": 5,
            "linewidth": 1.3,
        }
        axes.plot([number + 1 for number in slices], means, label=period_name(period), **style)
    axes.set_xlim(0.5, len(rows[periods[0]]["runs"][0]) + 0.5)
    axes.xaxis.get_major_locator().set_params(integer=True)  # type: ignore[call-arg]  # it is a MaxNLocator
    axes.set_xlabel("slice that is tested on")
    axes.set_ylabel(_NAMES[_SHOWN])
