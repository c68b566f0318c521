"""What results tell of users who are joined with other domains, apart from the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recbole_idp.evaluation.metrics import metric_name
from recbole_idp.report.groups import GroupTable, group_table

if TYPE_CHECKING:
    from recbole_idp.report.groups import Buckets

METRICS = ("ndcg@10", "accuracy")
"""By which items and classes are compared."""


def joined_of(buckets: Buckets) -> GroupTable | None:
    """Arrange the metrics of joined users and of the others, and of joined users by their own history.

    Args:
        buckets: For each row the buckets of each of its runs, as of
            :func:`~recbole_idp.evaluation.buckets.joined_metrics`, with others.

    Returns:
        The table; None where no user is joined.
    """
    for metric in METRICS:
        found = group_table(buckets, ("joined", "joined_history"), metric, _column)
        if found.columns:
            said = f"{metric_name(metric)} apart for users who are joined with other domains"
            by_length = any(column.startswith(_HISTORY) for column in found.columns)
            said += ", and for these by the target's events in their history" if by_length else ""
            return found._replace(heading=said)
    return None


_HISTORY = "joined, history "


def _column(kind: str, bucket: Any) -> str:
    label = bucket["label"] if kind == "joined" else f"{_HISTORY}{bucket['label']}"
    return f"{label} ({bucket['users']:,})"
