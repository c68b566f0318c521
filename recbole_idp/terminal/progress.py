"""Progress bars: drawn on a terminal, and never in a file or a pipe."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from tqdm import tqdm


class _Bar(tqdm):
    """A bar without tqdm's thread, which complains where it cannot be started."""

    monitor_interval = 0


def progress_bar(items: Iterable[Any] | None = None, shown: bool = True, **options: Any) -> tqdm:
    """Make a progress bar on standard error.

    Args:
        items: What the bar goes through; None: it is advanced by ``update``.
        shown: Whether to draw it if standard error is a terminal.
        **options: More of ``tqdm``.

    Returns:
        The bar; where it is not drawn, it only goes through the items.
    """
    return _Bar(items, disable=not is_shown(shown), **options)


def is_shown(wanted: bool) -> bool:
    """Return whether a progress bar that is wanted is drawn: RecBole's loops draw theirs anywhere."""
    return wanted and sys.stderr is not None and sys.stderr.isatty()
