"""What is measured where classes of users are predicted, with metrics that RecBole does not know."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

CLASS_DEFAULTS: dict[str, Any] = {"metrics": ["Accuracy", "MacroF1", "BinaryAUC"], "valid_metric": "Accuracy"}
"""The defaults of keys of evaluation for ``predicts: profile``."""


def known_to_recbole(metrics: Sequence[str]) -> list[str]:
    """Return the metrics that RecBole's own evaluator has; never none, for it needs one."""
    from recbole.evaluator import metric_types

    return [name for name in metrics if name.lower() in metric_types] or ["Hit"]
