"""What is measured where classes of users are predicted, with metrics that RecBole does not know."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

CLASS_DEFAULTS: dict[str, Any] = {"metrics": ["Accuracy", "MacroF1", "BinaryAUC"], "valid_metric": "Accuracy"}
"""The defaults of keys of evaluation for ``predicts: profile``."""


def recboles(metrics: Sequence[str]) -> list[str]:
    """Return those of these metrics that RecBole knows; never none, for it needs one."""
    return [name for name in metrics if name not in CLASS_DEFAULTS["metrics"]] or ["Hit"]
