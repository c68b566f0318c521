"""Metrics of the test targets whose users or items training has not seen, apart from the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recbole_idp.report.groups import GroupTable, group_table

if TYPE_CHECKING:
    from recbole_idp.report.groups import Buckets

METRIC = "ndcg@10"
GROUPS = {"user_novelty": "user", "item_novelty": "item"}
"""Kinds of buckets, and whether they are about the target's user or its item."""


def novelty_of(buckets: Buckets) -> GroupTable | None:
    """Arrange the metrics of new users and items.

    Args:
        buckets: For each row the buckets of each of its runs, as of
            :func:`~recbole_idp.evaluation.buckets.novelty_metrics`, with others.

    Returns:
        The table; None where training has seen all users and items of the test, or the split is one of each user's
        events, in which all users are seen.
    """
    found = group_table(buckets, GROUPS, METRIC, _column)
    if not found.columns:
        return None
    said = f"{METRIC.upper()} apart for users and items that training has not seen"
    if any(column.startswith("item") for column in found.columns):
        said += "; a model without texts ranks such items by chance"
    return found._replace(heading=said)


def _column(kind: str, bucket: Any) -> str:
    return f"{GROUPS[kind]} {bucket['label']} ({bucket['users']:,})"
