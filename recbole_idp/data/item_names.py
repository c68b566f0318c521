"""Names of the items of a history: the target's by their ids, those of other domains as ``domain:item``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class HistoryItem(NamedTuple):
    """An item that is input only.

    Attributes:
        domain: Name of its domain.
        token: Its id there.
    """

    domain: str
    token: str

    @property
    def name(self) -> str:
        """Its name where items of several domains stand together."""
        return f"{self.domain}:{self.token}"


def numbers_of_names(target: str, tokens: Sequence[str], history_items: Sequence[HistoryItem]) -> dict[str, int]:
    """Return the number of each item by its names.

    An id of the target is the name of that item, even if it has a colon. An item of the target has the name
    ``target:item`` as well, unless another item has it.

    Args:
        target: Name of the target.
        tokens: Ids of its items, which have the numbers 1 to N - 1.
        history_items: The items of other domains, which have the numbers from N on.
    """
    numbers = {token: number for number, token in enumerate(tokens, 1)}
    for number, item in enumerate(history_items, len(tokens) + 1):
        numbers.setdefault(item.name, number)
    for number, token in enumerate(tokens, 1):
        numbers.setdefault(f"{target}:{token}", number)
    return numbers
