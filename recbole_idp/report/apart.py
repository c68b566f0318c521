"""All tables of metrics apart for groups of test targets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recbole_idp.report.joined import joined_of
from recbole_idp.report.novelty import novelty_of

if TYPE_CHECKING:
    from recbole_idp.report.groups import Buckets, GroupTable


def apart(buckets: Buckets) -> list[GroupTable]:
    """Return the tables of what training has not seen, and of joined users, where there are such targets.

    Args:
        buckets: For each row the buckets of each of its runs.
    """
    return [table for table in (novelty_of(buckets), joined_of(buckets)) if table is not None]
