"""A plot that a notebook draws."""

from __future__ import annotations

from pathlib import Path

from recbole_idp.report.plot import CARD, LINE, SOFT, TEXT
from recbole_idp.storage.files import write_text


class Picture:
    """A plot, drawn by notebooks on a light card, whatever their theme.

    Args:
        svg: What :func:`~recbole_idp.report.plot.svg` returns, whose colours a page of ours would choose.
    """

    def __init__(self, svg: str) -> None:
        colours = f"--soft:{SOFT};--text:{TEXT};--line:{LINE};--card:{CARD};background:{CARD}"
        self._svg = str(svg).replace("<svg", f'<svg style="{colours}"', 1)

    def _repr_svg_(self) -> str:
        """Return the plot for a notebook."""
        return self._svg

    def save(self, path: str | Path) -> None:
        """Write an SVG file.

        Args:
            path: The file.

        Raises:
            UserError: It cannot be written.
        """
        write_text(path, self._svg)
