"""Collect facts of users or items, such as an age or a category, from rows that repeat them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd


class Facts:
    """Facts of some users or items. Of different values for one, the first counts.

    Args:
        id_field: The column of their ids.
        fields: The columns of the facts.
        unknown: Values up to this one say nothing.
    """

    def __init__(self, id_field: str, fields: Sequence[str], unknown: int) -> None:
        self.id_field, self.fields, self._unknown = id_field, tuple(fields), unknown
        self._ids: list[np.ndarray] = []
        self._pairs: dict[str, list[pd.DataFrame]] = {name: [] for name in fields}

    def add(self, rows: np.ndarray) -> None:
        """Add rows that have these columns.

        Args:
            rows: The rows, a structured array.
        """
        self._ids.append(np.unique(rows[self.id_field]))
        for name, found in self._pairs.items():
            known = rows[rows[name] > self._unknown]
            found.append(pd.DataFrame({"id": known[self.id_field], "value": known[name]}).drop_duplicates())

    def table(self) -> tuple[pd.DataFrame, dict[str, int]]:
        """Return a row of texts for each id that was added, in ascending order, and how many have several values.

        Returns:
            The texts, empty where nothing is known; and the number of ids with different values, by field.
        """
        ids = np.unique(np.concatenate(self._ids))
        columns, several = {self.id_field: ids.astype(str).astype(object)}, {}
        for name, found in self._pairs.items():
            pairs = pd.concat(found, ignore_index=True).drop_duplicates()
            first = pairs.drop_duplicates("id")
            several[name] = int(pairs["id"][pairs["id"].duplicated()].nunique())
            texts = np.full(len(ids), "", dtype=object)
            texts[np.searchsorted(ids, first["id"].to_numpy())] = first["value"].astype(str).to_numpy(dtype=object)
            columns[name] = texts
        return pd.DataFrame(columns), several
