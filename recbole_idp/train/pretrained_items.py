"""Pre-trained folders whose weights hold a row for each source item, by which a target finds them again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from recbole_idp.errors import UserError
from recbole_idp.train.pretrained_folder import PretrainedWeights, read_table, table_text

if TYPE_CHECKING:
    from recbole_idp.data.domains import Domains
    from recbole_idp.data.item_names import HistoryItem

ITEMS = "items.tsv"
"""The file that names the items."""
ITEM_TABLE = "item_embedding.weight"
"""The weights with a row for each item, row 0 being padding."""


class NoCommonItems(UserError):
    """The histories of a target hold none of the items that were pre-trained on."""


@dataclass(frozen=True)
class PretrainedItems(PretrainedWeights):
    """The weights of a model that was trained on the items of source domains. S source items, D width.

    Attributes:
        items: Domain and id of the items of rows 1 to S.
    """

    items: list[tuple[str, str]]

    @classmethod
    def read_parts(cls, folder: Path, description: Mapping[str, Any]) -> dict[str, Any]:
        """Read weights and items, and check that they fit each other."""
        found = super().read_parts(folder, description)
        domains, tokens = read_table(folder / ITEMS, 2)
        table = found["state"].get(ITEM_TABLE)
        if table is None or table.dim() != 2 or len(table) != len(tokens) + 1 or not table.is_floating_point():
            raise UserError(f"{folder} has no vector for each of its {len(tokens):,} items: pre-train again")
        return {**found, "items": list(zip(domains, tokens, strict=True))}

    def rows_of(self, items: Sequence[tuple[str, str]]) -> torch.Tensor:
        """Return the rows of some items.

        Args:
            items: Domain and id of each; length K.

        Returns:
            Row numbers, 0 for an item that is not there; int64, shape [K].
        """
        return row_numbers(self.items, items)

    def history_rows(self, items: Sequence[HistoryItem]) -> torch.Tensor:
        """Return the rows of the items that stand in a target's histories.

        Args:
            items: The history items; length S.

        Returns:
            Row numbers, 0 for an item that is not there; int64, shape [S].

        Raises:
            NoCommonItems: None of them is there.
        """
        rows = self.rows_of(items)
        if len(rows) and not rows.any():
            raise NoCommonItems(
                f"{self.folder} has none of the items of the histories, which are of "
                f"{', '.join(sorted({item.domain for item in items}))}: pre-train on these domains"
            )
        return rows


def row_numbers(pretrained: Iterable[tuple[str, str]], items: Iterable[tuple[str, str]]) -> torch.Tensor:
    """Return the rows of some items.

    Args:
        pretrained: Domain and id of the items of rows 1, 2, ...
        items: Domain and id of each item; length K.

    Returns:
        Row numbers, 0 for an item that is not known; int64, shape [K].
    """
    row_of = {item: row for row, item in enumerate(pretrained, 1)}
    return torch.tensor([row_of.get((domain, token), 0) for domain, token in items], dtype=torch.long)


def items_text(domains: Domains) -> str:
    """Return the content of :data:`ITEMS`: domain and id of each item, in the order of their rows."""
    names = [domain.name for domain in domains.domains]
    return table_text(
        ("domain", "item_id"), [names[number] for number in domains.item_domain[1:]], domains.item_tokens[1:]
    )
