"""Names in plots that keep clear of one another."""

import numpy as np

from recbole_idp.report.plot import SOFT

_SIZE = 9

# In pixels; a name that stands further away has a line to its point.
_BESIDE, _FURTHEST = 9, 240


def label_points(axes, points, names):
    """Writes a name beside each point so that no name covers another name or a point.

    Args:
        axes (Axes): With its limits set; the only ones of their figure.
        points (list[tuple[float, float]]): Places in data units.
        names (list[str]): Names.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.transforms import Bbox

    renderer = FigureCanvasAgg(axes.figure).get_renderer()
    axes.figure.draw_without_rendering()
    frame = axes.get_window_extent(renderer)
    places = axes.transData.transform(points)
    taken = _Taken(frame, [Bbox.from_bounds(x - 6, y - 6, 12, 12) for x, y in places])
    for place, point, name in zip(places, points, names, strict=True):
        probe = axes.annotate(name, point, fontsize=_SIZE)
        size = probe.get_window_extent(renderer).size
        probe.remove()
        distance, middle = taken.find(place, size)
        pointer = {"arrowstyle": "-", "color": SOFT, "linewidth": 0.6, "shrinkA": 0, "shrinkB": 4}
        axes.annotate(
            name,
            point,
            # Anchored in its middle: another font than the one measured stays in its place.
            (middle - place) * 72 / axes.figure.dpi,
            textcoords="offset points",
            fontsize=_SIZE,
            ha="center",
            va="center",
            arrowprops=pointer if distance > _BESIDE else None,
        )


class _Taken:
    """What stands in a plot already, in pixels: points, names, and lines from names to their points.

    Args:
        frame (Bbox): Where names may be.
        points (list[Bbox]): The points.
    """

    def __init__(self, frame, points):
        self.frame, self.points, self.names, self.lines = frame, points, [], []

    def find(self, place, size):
        """Returns how far from a point its name goes, and the middle of the name; both are taken from now on."""
        from matplotlib.path import Path
        from matplotlib.transforms import Bbox

        found = []
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

    def _crossings(self, box, line):
        """Returns how many lines would run through names; None where the name itself has no room."""
        corners = (box.x0, box.y0), (box.x1, box.y1)
        if not all(self.frame.contains(*corner) for corner in corners):
            return None
        if any(box.overlaps(other) for other in (*self.points, *self.names)):
            return None
        through = sum(other.intersects_bbox(box, filled=False) for other in self.lines)
        return through + sum(line.intersects_bbox(other, filled=False) for other in self.names)


def _middles(place, size):
    """Yields where the middle of a name could be, with its distance from the point, nearest first; both in pixels."""
    angles = np.pi * np.arange(0, 2, 1 / 8)
    # To the right first, then to the left, above and below.
    angles = sorted(angles, key=lambda angle: (-abs(np.cos(2 * angle)), -np.cos(angle)))
    for distance in range(_BESIDE, _FURTHEST, 4):
        for angle in angles:
            yield distance, place + np.array([np.cos(angle), np.sin(angle)]) * (distance + size / 2)


def label_ends(axes, ends, colours):
    """Writes a name behind the end of each curve, moved up or down until none covers another.

    Args:
        axes (Axes): With their limits set; names stand to the right of them.
        ends (dict[str, tuple[float, float]]): By name the last point of its curve, in data units.
        colours (dict[str, str]): By name the colour of its curve.
    """
    low, high = axes.get_ylim()
    # A line of text, in shares of the axes' height.
    gap = 0.18 / (0.75 * axes.figure.get_figheight())
    wanted = {name: (end[1] - low) / (high - low) for name, end in ends.items()}
    for name, place in spread(wanted, gap).items():
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


def spread(places, gap):
    """Moves places apart until neighbours have a gap and all stay within 0 and 1.

    Args:
        places (dict[str, float]): By name the place wanted.
        gap (float): The least distance; less where there is no room for it.

    Returns:
        dict[str, float]: The places, lowest first.
    """
    names = sorted(places, key=places.get)
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
