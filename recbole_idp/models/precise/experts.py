"""The plot of how many items use each expert of a mixture."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from recbole_idp.report.plot import ACCENT, MUTED
from recbole_idp.storage.files import replacing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

LEAST = 0.02
"""An expert that a smaller share of the items uses counts as collapsed."""


def log_experts(usage: Sequence[float], title: str) -> None:
    """Log how many items use each expert, and warn of collapsed ones; arguments as in :func:`plot_experts`."""
    shares = ", ".join(f"{100 * share:.1f}" for share in usage)
    logging.getLogger().info(f"Experts of {title}, % of its items that use each: {shares}")
    if min(usage) < LEAST:
        logging.getLogger().warning(
            f"{title}: an expert is used by less than 2 % of these items; domains differ in the experts that they use, "
            "and where it is used by no other domain either, set balance_weight"
        )


def plot_experts(usage: Sequence[float], title: str, path: str | Path) -> None:
    """Draw a bar for each expert as SVG.

    Args:
        usage: Share of the items that use it.
        title: Names of the model and of its data.
        path: The file.

    Raises:
        UserError: The file cannot be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3.5), layout="constrained")
    axes = figure.subplots()
    axes.bar(range(1, len(usage) + 1), [100 * share for share in usage], color=MUTED)
    least = f"{100 * LEAST:.0f} %: below it an expert is not used here"
    axes.axhline(100 * LEAST, color=ACCENT, linestyle="--", linewidth=1, label=least)
    # Outside the axes, where no bar can stand behind it.
    figure.legend(loc="outside lower right", frameon=False, labelcolor=ACCENT)
    axes.set_xticks(range(1, len(usage) + 1))
    axes.set_xlabel("expert")
    axes.set_ylabel("items that use it, %")
    axes.set_ylim(bottom=0)
    axes.set_title(title, parse_math=False)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="svg", metadata={"Date": None})
