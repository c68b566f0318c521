"""Plots as SVG elements that take the colours and fonts of their page."""

import html
import io
import re

# Of middle lightness: at least 3 to 1 on a white and on a dark page.
MUTED, ACCENT = "#7f8898", "#d9682b"
CURVES = ("#d55e00", "#0072b2", "#009e73", "#c060a1", "#a8810a", "#7d6bd0", "#7f8898")
MARKERS = "os^DvPX*"

# What the page has its own colours for, by its theme.
SOFT, TEXT, LINE, CARD = "#5c6675", "#1d2330", "#dfe3ea", "#f6f8fb"
_VARIABLES = {SOFT: "var(--soft)", TEXT: "var(--text)", LINE: "var(--line)", CARD: "var(--card)"}


def svg(draw, label, size=(5, 3), **grid):
    """Draws a plot and returns it as an SVG element with transparent background.

    Args:
        draw (Callable): Draws on the axes, or on the array of axes where ``grid`` asks for several.
        label (str): What the plot shows, for those who do not see it.
        size (tuple[float, float]): Width and height in inches.
        **grid: Arguments of ``Figure.subplots``.

    Returns:
        str: The element.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    # Names come from the data: a dollar sign is no mathematics. A fixed salt gives the same element for the same plot,
    # and one of its own keeps ids of several plots on a page apart.
    settings = {"svg.fonttype": "none", "svg.hashsalt": label, "text.parse_math": False, "font.size": 10}
    with rc_context({**settings, **_colours(), "ytick.major.size": 0, "xtick.major.size": 0}):
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


def _colours():
    soft = dict.fromkeys(("axes.labelcolor", "xtick.color", "ytick.color", "legend.labelcolor"), SOFT)
    return {**soft, "axes.edgecolor": LINE, "grid.color": LINE, "text.color": TEXT}


def _element(text, label):
    """Returns the SVG element of a file, without what several of them on one page would have twice."""
    text = re.sub(r'<g id="[^"]*"', "<g", text[text.index("<svg") :])
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, variable)
    return text.replace("<svg", f'<svg role="img" aria-label="{html.escape(label)}"', 1)
