"""The plot of how many items use each expert of a mixture."""

from recbole_idp.files import replacing
from recbole_idp.report.plot import ACCENT, MUTED

LEAST = 0.02
"""An expert that fewer of the items use counts as collapsed."""


def plot_experts(usage, title, path):
    """Draws a bar for each expert as SVG.

    Args:
        usage (Sequence[float]): Share of the items that use it.
        title (str): What was trained on what.
        path (str | Path): The file.

    Raises:
        UserError: The file cannot be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3.5), layout="constrained")
    axes = figure.subplots()
    axes.bar(range(1, len(usage) + 1), [100 * share for share in usage], color=MUTED)
    axes.axhline(100 * LEAST, color=ACCENT, linestyle="--", linewidth=1)
    axes.annotate("2 %: below it an expert is collapsed", (0.99, 100 * LEAST), xycoords=("axes fraction", "data"),
                  xytext=(0, 3), textcoords="offset points", ha="right", color=ACCENT)  # fmt: skip
    axes.set_xticks(range(1, len(usage) + 1))
    axes.set_xlabel("expert")
    axes.set_ylabel("items that use it, %")
    axes.set_ylim(bottom=0)
    axes.set_title(title, parse_math=False)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="svg", metadata={"Date": None})
