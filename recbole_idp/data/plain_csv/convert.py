"""Turn tables of any columns into atomic files: the user says which column is which."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from recbole_idp.data.convert.csv_rows import column_names, read_csv_rows
from recbole_idp.data.convert.events import EventLog, Events, checked_id
from recbole_idp.data.convert.item_facts import ItemFacts
from recbole_idp.data.convert.lines import RawFile
from recbole_idp.data.convert.logs import LogOptions, LogSummary, Source, convert_log
from recbole_idp.data.convert.sequence_lines import first_lines
from recbole_idp.data.convert.tables import SEPARATORS
from recbole_idp.data.plain_csv.mapping import parse_mapping
from recbole_idp.data.plain_csv.title_files import TitleFiles
from recbole_idp.data.times import TimeReader
from recbole_idp.errors import UserError

if TYPE_CHECKING:
    from typing_extensions import Unpack

_NAMED = {"tab": "\t", "\\t": "\t"}
_RESERVED = ("item_id", "poster")


class Form(NamedTuple):
    """How the fields of a table are told apart.

    Attributes:
        separator: What stands between two fields; None: found by the first line.
        header: Whether the first line names the columns.
    """

    separator: str | None
    header: bool


def convert_csv(
    events: str | Path,
    columns: str,
    item_columns: str | None = None,
    separator: str | None = None,
    header: bool = True,
    min_rating: float | None = None,
    **options: Unpack[LogOptions],
) -> LogSummary:
    """Convert tables.

    Args:
        events: The table of events.
        columns: Which column is which, as :func:`~recbole_idp.data.plain_csv.mapping.parse_mapping` reads it: ``user``
            and ``item``; ``time``, without which the order of the rows counts; ``rating``.
        item_columns: The same of the table of items: ``item``, and any names of texts. None where ``items`` is a folder
            of titles; see :class:`~recbole_idp.data.plain_csv.title_files.TitleFiles`.
        separator: What stands between two fields, ``tab`` for a tabulator; None: found by the first line.
        header: Whether the first lines name the columns; otherwise they are numbers from 1.
        min_rating: Events with a lower rating are left out; None: none are.
        **options: See :func:`~recbole_idp.data.convert.logs.convert_log`.

    Returns:
        Counts of what was read, dropped and written.

    Raises:
        UserError: As there. Or a column is not there, or is not named.
    """
    wanted = parse_mapping(columns, "columns", ("user", "item"), ("time", "rating"))
    if min_rating is not None and "rating" not in wanted:
        raise UserError("min_rating needs the column of ratings: name it in columns, rating=NAME")
    texts = None if item_columns is None else parse_mapping(item_columns, "item_columns", ("item",), None)
    titles = _title_files(options.get("items"))
    if titles is not None:
        if texts is not None:
            raise UserError(f"item_columns names columns of a table, and items {options['items']} is a folder: omit it")
        options["items"] = None
    elif (options.get("items") is None) != (texts is None):
        raise UserError("--items and --item_columns belong together: give both, --item_columns=item=NAME,title=NAME")
    if texts is not None and (wrong := [name for name in texts if name in _RESERVED]):
        raise UserError(f"item_columns names {wrong[0]}, which is a column of its own: choose another name")
    if texts is not None and len(texts) < 2:
        raise UserError("item_columns names no text: add title=NAME")
    form = Form(_NAMED.get(separator or "", separator), header)
    if separator is not None and not form.separator:
        raise UserError("separator is empty: write what stands between two fields, such as ; or tab")
    path, file = Path(events), RawFile(events)

    def describe(items: RawFile, tokens: Collection[str]) -> ItemFacts:
        return read_items(items, tokens, texts or {}, form)

    own_texts = None if titles is None else titles.facts
    source = Source("CSV", path, [file], lambda: read_events(file, wanted, form, min_rating), describe, own_texts)
    return convert_log(source, **options)


def _title_files(items: str | Path | None) -> TitleFiles | None:
    """Return the folder of titles where the texts of items are one, and no table."""
    return TitleFiles(items) if items is not None and Path(items).is_dir() else None


def read_events(
    file: RawFile, wanted: Mapping[str, str], form: Form, min_rating: float | None
) -> tuple[Events, list[str]]:
    """Read the events, by time where there is one, and with notes on those that are left out.

    Raises:
        UserError: The file cannot be read, lacks a column, or too many of its rows are malformed.
    """
    places, width, separator = _places(file, wanted, form)
    time_of, rated, timed = TimeReader(), "rating" in places, "time" in places

    def parse(fields: list[str]) -> tuple[str, str, float, float]:
        time = time_of(fields[places["time"]]) if timed else 0.0
        rating = float(fields[places["rating"]]) if rated else 0.0
        if not math.isfinite(time) or not math.isfinite(rating):
            raise ValueError("no finite number")
        return checked_id(fields[places["user"]]), checked_id(fields[places["item"]]), time, rating

    log, low = EventLog(rated), 0
    for event in read_csv_rows(file, width, form.header, parse, separator):
        if min_rating is not None and event[3] < min_rating:
            low += 1
        else:
            log.add(*event)
    notes = [f"{low:,} events with a rating below {min_rating:g} are left out"] if low else []
    return log.timed() if timed else log.in_order(), notes


def read_items(file: RawFile, tokens: Collection[str], wanted: Mapping[str, str], form: Form) -> ItemFacts:
    """Read the texts of items.

    Raises:
        UserError: The file cannot be read, lacks a column, or too many of its rows are malformed.
    """
    places, width, separator = _places(file, wanted, form)
    texts = [name for name in wanted if name != "item"]
    facts = ItemFacts(tokens, dict.fromkeys(texts, "token_seq"))

    def parse(fields: list[str]) -> tuple[str, list[str]]:
        return checked_id(fields[places["item"]]), [fields[places[name]] for name in texts]

    for row in read_csv_rows(file, width, form.header, parse, separator):
        facts.add(*row)
    return facts


def _places(file: RawFile, wanted: Mapping[str, str], form: Form) -> tuple[dict[str, int], int, str]:
    """Return the place of each part, the number of fields of a row, and the separator."""
    line = first_lines(file, ", ".join(wanted.values()))[0]
    separators = [form.separator] if form.separator else SEPARATORS

    def width(separator: str) -> int:
        return line.count(separator) + 1

    if form.header:

        def fitting(separator: str) -> tuple[int, int]:
            names = [name.strip().strip('"').strip() for name in line.split(separator)]
            return sum(column in names for column in wanted.values()), len(names)

        separator = max(separators, key=fitting)
        names = column_names(file, list(wanted.values()), separator=separator)
        return {part: names.index(column) for part, column in wanted.items()}, len(names), separator
    separator = max(separators, key=width)
    return _numbered(file, wanted, width(separator)), width(separator), separator


def _numbered(file: RawFile, wanted: Mapping[str, str], width: int) -> dict[str, int]:
    """Return the place of each part by its number from 1."""
    places = {}
    for part, column in wanted.items():
        if not column.isascii() or not column.isdigit() or not 1 <= int(column) <= width:
            raise UserError(
                f"{file.path} has {width} columns without names, as header says: {part}={column} is no number from 1 "
                f"to {width}"
            )
        places[part] = int(column) - 1
    return places
