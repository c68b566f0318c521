"""Names in plots that do not overlap."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, cast

import numpy as np

from recbole_idp.report.plot import SOFT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.path import Path
    from matplotlib.transforms import Bbox


_SIZE = 9

# In pixels; a name that is further away than the first has a line to its point.
_BESIDE, _FURTHEST = 9, 240


def label_points(axes: Axes, points: Sequence[tuple[float, float]], names: Sequence[str]) -> None:
    """Write a name beside each point so that no name covers another name or a point.

    Args:
        axes: Axes with their limits set, the only ones of their figure.
        points: Coordinates of the points, in data units.
        names: Name of each point.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.transforms import Bbox

    figure = cast("Figure", axes.figure)
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw_without_rendering()
    frame = axes.get_window_extent(renderer)
    places = axes.transData.transform(points)
    taken = _Taken(frame, [Bbox.from_bounds(x - 6, y - 6, 12, 12) for x, y in places])
    for place, point, name in zip(places, points, names, strict=True):
        probe = axes.annotate(name, point, fontsize=_SIZE)
        size = probe.get_window_extent(renderer).size
        probe.remove()
        distance, middle = taken.find(place, np.asarray(size))
        pointer = {"arrowstyle": "-", "color": SOFT, "linewidth": 0.6, "shrinkA": 0, "shrinkB": 4}
        axes.annotate(
            name,
            point,
            # Anchored in its middle: another font than the one measured stays in its place.
            (middle - place) * 72 / figure.dpi,
            textcoords="offset points",
            fontsize=_SIZE,
            ha="center",
            va="center",
            arrowprops=pointer if distance > _BESIDE else None,
        )


class _Taken:
    """The space that is taken in a plot, in pixels: points, names, and lines from names to their points.

    Args:
        frame: The area that names may be in.
        points: The points.
    """

    names: list[Bbox]
    lines: list[Path]

    def __init__(self, frame: Bbox, points: list[Bbox]) -> None:
        self.frame, self.points, self.names, self.lines = frame, points, [], []

    def find(self, place: np.ndarray, size: np.ndarray) -> tuple[int, np.ndarray]:
        """Return the distance of a name from its point, and the middle of the name; its space is taken from now on."""
        from matplotlib.path import Path
        from matplotlib.transforms import Bbox

        found: list[tuple[int, int, int, np.ndarray, Bbox, Path]] = []
        for distance, middle in _middles(place, size):
            box = Bbox.from_bounds(*(middle - size / 2), *size).padded(2)
            line = Path([place, middle])
            if (crossings := self._crossings(box, line)) is not None:
                found.append((crossings, len(found), distance, middle, box, line))
            if crossings == 0:
                break
        if not found:
            found.append((0, 0, distance, middle, box, line))
        # The nearest place whose line crosses nothing; where there is none, that which crosses least.
        _, _, distance, middle, box, line = min(found, key=lambda one: one[:2])
        self.names.append(box)
        self.lines += [line] if distance > _BESIDE else []
        return distance, middle

    def _crossings(self, box: Bbox, line: Path) -> int | None:
        """Return how many lines would cross names; None where there is no room for the name itself."""
        corners = (box.x0, box.y0), (box.x1, box.y1)
        if not all(self.frame.contains(*corner) for corner in corners):
            return None
        if any(box.overlaps(other) for other in (*self.points, *self.names)):
            return None
        through = sum(other.intersects_bbox(box, filled=False) for other in self.lines)
        return through + sum(line.intersects_bbox(other, filled=False) for other in self.names)


def _middles(place: np.ndarray, size: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Yield places for the middle of a name, each after its distance from the point, nearest first; both in pixels."""
    angles = np.pi * np.arange(0, 2, 1 / 8)
    # To the right first, then to the left, above and below.
    directions = sorted(angles, key=lambda angle: (-abs(np.cos(2 * angle)), -np.cos(angle)))
    for distance in range(_BESIDE, _FURTHEST, 4):
        for angle in directions:
            yield distance, place + np.array([np.cos(angle), np.sin(angle)]) * (distance + size / 2)


def label_ends(axes: Axes, ends: Mapping[str, tuple[float, float]], colours: Mapping[str, str]) -> None:
    """Write a name behind the end of each curve, moved up or down until none covers another.

    Args:
        axes: Axes with their limits set; names are written to the right of them.
        ends: Last point of each curve by its name, in data units.
        colours: Colour of each curve by its name.
    """
    low, high = axes.get_ylim()
    # A line of text, in shares of the axes' height.
    gap = 0.18 / (0.75 * cast("Figure", axes.figure).get_figheight())
    heights = {name: (end[1] - low) / (high - low) for name, end in ends.items()}
    for name, place in spread(heights, gap).items():
        pointer = {"arrowstyle": "-", "color": colours[name], "linewidth": 0.8, "shrinkA": 1, "shrinkB": 3}
        axes.annotate(
            name,
            ends[name],
            (1.08, place),
            textcoords="axes fraction",
            fontsize=_SIZE,
            va="center",
            annotation_clip=False,
            arrowprops={**pointer, "relpos": (0, 0.5)},
        )


def spread(places: Mapping[str, float], gap: float) -> dict[str, float]:
    """Move places apart until neighbours have a gap and all lie between 0 and 1.

    Args:
        places: Wanted place of each name.
        gap: The smallest distance; it shrinks where there is no room for it.

    Returns:
        Place of each name, lowest first.
    """
    names = sorted(places, key=places.__getitem__)
    gap = min(gap, 1 / max(1, len(names) - 1))
    found, lowest = [], 0.0
    for name in names:
        found.append(max(places[name], lowest))
        lowest = found[-1] + gap
    highest = 1.0
    for number in reversed(range(len(found))):
        found[number] = min(found[number], highest)
        highest = found[number] - gap
    return dict(zip(names, found, strict=True))
