"""Plots as SVG elements that take the colours and fonts of their page."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Of middle lightness: at least 3 to 1 on a white and on a dark page.
MUTED, ACCENT = "#7f8898", "#d9682b"
CURVES = ("#d55e00", "#0072b2", "#009e73", "#c060a1", "#a8810a", "#7d6bd0", "#7f8898")
MARKERS = "os^DvPX*"

# Colours that the page replaces by those of its theme.
SOFT, TEXT, LINE, CARD = "#5c6675", "#1d2330", "#dfe3ea", "#f6f8fb"
_VARIABLES = {SOFT: "var(--soft)", TEXT: "var(--text)", LINE: "var(--line)", CARD: "var(--card)"}


def svg(draw: Callable[[Any], None], label: str, size: tuple[float, float] = (5, 3), **grid: Any) -> Markup:
    """Draw a plot, and return it as an SVG element with transparent background.

    Args:
        draw: Function that draws on the axes, or on the array of axes where ``grid`` asks for several.
        label: What the plot shows, for screen readers.
        size: Width and height in inches.
        **grid: Arguments of ``Figure.subplots``.

    Returns:
        The element.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    # Names come from the data: a dollar sign is no mathematics. A fixed salt gives the same element for the same plot,
    # and one of its own keeps ids of several plots on a page apart.
    settings: dict[str, Any] = {
        "svg.fonttype": "none",
        "svg.hashsalt": label,
        "text.parse_math": False,
        "font.size": 10,
    }
    settings = {**settings, **_colours(), "ytick.major.size": 0, "xtick.major.size": 0}
    with rc_context(settings):  # type: ignore[arg-type]  # Matplotlib's stubs list the keys
        figure = Figure(figsize=size, layout="constrained")
        figure.patch.set_alpha(0)
        axes = figure.subplots(**grid)
        for one in figure.axes:
            one.patch.set_alpha(0)
            one.spines[["top", "right"]].set_visible(False)
        draw(axes)
        drawn = io.StringIO()
        figure.savefig(drawn, format="svg", metadata={"Date": None, "Creator": None})
    return _element(drawn.getvalue(), label)


def name_above(axes: Axes) -> None:
    """Name what is drawn in a line above the axes, where it covers nothing."""
    axes.legend(frameon=False, loc="lower right", bbox_to_anchor=(1, 1), ncols=4, borderaxespad=0.2)


def _colours() -> dict[str, str]:
    return {
        "axes.labelcolor": SOFT,
        "xtick.color": SOFT,
        "ytick.color": SOFT,
        "legend.labelcolor": SOFT,
        "axes.edgecolor": LINE,
        "grid.color": LINE,
        "text.color": TEXT,
    }


def _element(text: str, label: str) -> Markup:
    """Return the SVG element of a file, without the ids that several of them on one page would share."""
    text = re.sub(r'<g id="[^"]*"', "<g", text[text.index("<svg") :])
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, variable)
    begin = Markup('<svg role="img" aria-label="{}"').format(label)
    return begin + Markup(text.removeprefix("<svg"))
