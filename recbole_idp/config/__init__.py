"""Settings: their declarations, where values come from, and how they are checked."""

from __future__ import annotations

from typing import Any

from recbole_idp import old_names


def __getattr__(name: str) -> Any:
    """Return an object by its old name."""
    return old_names.attribute(__name__, name)
