"""What the pages show, as values without markup; the templates that they fill have the markup.

A page is one HTML file that needs nothing else, readable on light and dark screens.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from markupsafe import Markup

if TYPE_CHECKING:
    from jinja2 import Environment


class Field(NamedTuple):
    """A cell of a table.

    Attributes:
        text: What it shows.
        value: What its column is sorted by; None always comes last.
        below: What stands below in small letters, such as a deviation.
        place: 1 for the best of its column, 2 for the second, 0 otherwise.
        badges: Words that stand below as badges.
    """

    text: str
    value: float | str | None
    below: str = ""
    place: int = 0
    badges: Sequence[str] = ()


@dataclass(frozen=True)
class Table:
    """A table whose first column names its rows. A click or a key press on the head of a column sorts it.

    Attributes:
        name: What it shows, for screen readers.
        heads: Names of the columns.
        rows: Cells.
        sorted_by: The column that the rows are sorted by; None: by no column.
        highest_first: In which direction they are.
    """

    name: str
    heads: Sequence[str]
    rows: Sequence[Sequence[Field]]
    sorted_by: int | None = None
    highest_first: bool = True

    def kinds(self) -> list[str]:
        """Return ``number`` or ``text`` for each column: how it is aligned and sorted."""
        return [
            "text" if any(isinstance(row[place].value, str) for row in self.rows) else "number"
            for place in range(len(self.heads))
        ]


@dataclass(frozen=True)
class Figure:
    """A plot.

    Attributes:
        plot: What :func:`~recbole_idp.report.plot.svg` returns.
        caption: What it shows.
        keys: Colours with what they mean.
    """

    plot: Markup
    caption: str
    keys: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True)
class Part:
    """A part of a page: paragraphs, tables, and plots under a heading. Pages leave out what is empty."""

    heading: str
    paragraphs: Sequence[str] = ()
    tables: Sequence[Table] = ()
    figures: Sequence[Figure] = ()


def text_table(name: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """Return a table of texts. A column of numbers is sorted as such; a dash stands for no value.

    Args:
        name: What it shows, for screen readers.
        heads: Names of the columns.
        rows: Texts.
    """
    columns = [_column(texts) for texts in zip(*rows, strict=True)]
    return Table(name, heads, list(zip(*columns, strict=True)))


def _column(texts: Sequence[str]) -> list[Field]:
    """Return the cells of a column."""
    numbers = [None if text == "-" else _number(text) for text in texts]
    are_numbers = all(number is None or math.isfinite(number) for number in numbers)
    return [Field(text, number if are_numbers else text) for text, number in zip(texts, numbers, strict=True)]


def _number(text: str) -> float:
    """Return the number that a text such as ``1,234`` or ``+5.0 %*`` shows; no finite one where it shows none."""
    try:
        return float(text.replace(",", "").removesuffix("*").removesuffix(" %"))
    except ValueError:
        return math.nan


def render(template: str, **values: Any) -> str:
    """Fill in a template. Texts are escaped: only what is ``Markup`` already is taken as such.

    Args:
        template: Its file in ``templates/``.
        **values: What it names; a name that is missing is an error.

    Returns:
        HTML.
    """
    return _environment().get_template(template).render(values)


@cache
def _environment() -> Environment:
    # Commands that draw no page start without it.
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("recbole_idp.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
