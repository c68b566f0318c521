"""Short names of the rows of a board, for its table and its plots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class RowNames:
    """Names of a board's rows for its table and plots.

    Attributes:
        heading: What the names are.
        shorts: Short name of each row: of a sweep the value alone, where one model is swept.
        values: What rows are sorted by, where it is not the short name; None comes last.
    """

    heading: str
    shorts: Mapping[str, str]
    values: Mapping[str, Any]

    @classmethod
    def of(cls, board: dict[str, Any]) -> RowNames:
        """Return the names of a board's rows.

        Args:
            board: One of ``boards``.
        """
        swept = {row["model"]: row["swept"] for row in board["rows"] if row.get("swept")}
        if len({point["of"] for point in swept.values()}) != 1:
            shorts = {name: f"{point['of']} · {value_text(point['value'])}" for name, point in swept.items()}
            return cls("Model", shorts, {})
        (key, *_) = (point["key"] for point in swept.values())
        shorts = {name: value_text(point["value"]) for name, point in swept.items()}
        if not are_numbers([point["value"] for point in swept.values()]):
            return cls(key, shorts, {})
        values = {row["model"]: swept.get(row["model"], {"value": None})["value"] for row in board["rows"]}
        return cls(key, shorts, values)

    def short(self, name: str) -> str:
        """Return the name of a row in the table."""
        return self.shorts.get(name, name)

    def value(self, name: str) -> Any:
        """Return what a row is sorted by."""
        return self.values.get(name, self.short(name))

    def cut(self, name: str, length: int = 20) -> str:
        """Return the name of a row in a plot. The end stays, by which rows of one model differ."""
        short = self.short(name)
        return short if len(short) <= length else f"{short[: length // 2 - 1]}…{short[-(length - length // 2) :]}"


def value_text(value: Any) -> str:
    """Return the value of a key in few words."""
    if isinstance(value, list):
        return "+".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def are_numbers(values: Sequence[Any]) -> bool:
    """Return whether the values of a key are numbers."""
    return all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values)
