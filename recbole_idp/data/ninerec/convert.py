"""Turn the files of NineRec (arXiv 2309.07705) into atomic files.

DS_behaviour.tsv  user, a tab, items with blanks between, oldest first
DS_pair.csv       item,user,timestamp or user,item,timestamp, or two columns without times; no header
DS_item.csv       id, Chinese title, English title; no header
DS_cover/ID.jpg   covers
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from typing_extensions import Unpack

from recbole_idp.data.convert.csv_rows import read_csv_rows
from recbole_idp.data.convert.events import EventLog, Events, checked_id, checked_time
from recbole_idp.data.convert.item_facts import ItemFacts, read_item_rows
from recbole_idp.data.convert.lines import RawFile
from recbole_idp.data.convert.logs import LogOptions, LogSummary, Source, convert_log
from recbole_idp.data.convert.sequence_lines import first_lines, read_user_lines
from recbole_idp.data.convert.tables import EVENT_NAMES, find_columns
from recbole_idp.errors import UserError

_TITLES = {"title": "token_seq", "english_title": "token_seq"}
_PARTS = {"user": "user", "item": "item", "time": "timestamp"}
_USER = "u"


def convert_ninerec(
    events: str | Path,
    columns: Sequence[str] | None = None,
    **options: Unpack[LogOptions],
) -> LogSummary:
    """Convert one dataset of NineRec.

    Args:
        events: ``DS_behaviour.tsv`` or ``DS_pair.csv``.
        columns: The columns of a ``_pair.csv`` in order, of user, item and timestamp; None: they are recognised.
        **options: See :func:`~recbole_idp.data.convert.logs.convert_log`.

    Returns:
        Counts of what was read, dropped and written.

    Raises:
        UserError: As there. Or it cannot be told which column of a ``_pair.csv`` is the user.
    """
    path, file = Path(events), RawFile(events)

    def read() -> tuple[Events, list[str]]:
        if columns is None and "\t" in first_lines(file, "a user, a tab and items, or item,user,timestamp")[0]:
            return read_user_lines(path, file)
        return read_pairs(file, columns)

    return convert_log(Source("NineRec", path, [file], read, read_titles), **options)


def read_pairs(file: RawFile, columns: Sequence[str] | None = None) -> tuple[Events, list[str]]:
    """Read a ``_pair.csv``: by time, or in its own order where it has no times.

    Args:
        file: The file.
        columns: Its columns, of ``user``, ``item`` and ``timestamp``; None: they are recognised.

    Raises:
        UserError: The columns cannot be told, or too many rows are malformed.
    """
    head = [line.split(",") for line in first_lines(file, "item,user,timestamp or user,item,timestamp")]
    has_header = find_columns(head[0], EVENT_NAMES).keys() >= {"user", "item"}
    found = list(columns) if columns is not None else _columns(file.path, head)
    if len(found) != len(head[0]) or not {"user", "item"} <= set(found):
        raise UserError(
            f"{file.path}, line 1 has {len(head[0])} fields, and its columns are {', '.join(found)}: "
            "give --columns=[item,user,timestamp], in the order of the file"
        )
    user, item = found.index("user"), found.index("item")
    time = found.index("timestamp") if "timestamp" in found else None

    def parse(fields: list[str]) -> tuple[str, str, float]:
        return checked_id(fields[user]), checked_id(fields[item]), 0.0 if time is None else checked_time(fields[time])

    log = EventLog()
    for event in read_csv_rows(file, len(found), has_header, parse):
        log.add(*event)
    return (log.in_order() if time is None else log.timed()), [f"columns of {file.path.name}: {', '.join(found)}"]


def _columns(path: Path, head: Sequence[Sequence[str]]) -> list[str]:
    """Recognise the columns by the names in the first line, or by the ids of users, which begin with u."""
    named = find_columns(head[0], EVENT_NAMES)
    if named.keys() >= {"user", "item"}:
        names = {place: _PARTS[part] for part, place in named.items() if part in _PARTS}
        return [names.get(place, head[0][place]) for place in range(len(head[0]))]
    width = len(head[0])
    if width not in (2, 3):
        raise UserError(
            f"{path}, line 1 has {width} fields with commas between, and a pair file has two or three: "
            "give DS_behaviour.tsv or DS_pair.csv"
        )
    users = [place for place in (0, 1) if all(len(row) > place and row[place].startswith(_USER) for row in head)]
    if len(users) != 1:
        raise UserError(
            f"{path}: ids do not tell which column is the user, as none or both begin with {_USER}: "
            "give --columns=[item,user,timestamp], in the order of the file"
        )
    first = ["user", "item"] if users == [0] else ["item", "user"]
    return [*first, *["timestamp"][: width - 2]]


def read_titles(file: RawFile, wanted: Collection[str]) -> ItemFacts:
    """Read ``DS_item.csv``: id, Chinese title, English title; or a title alone, also with tabs between.

    Args:
        file: The file.
        wanted: The items whose titles are kept.

    Raises:
        UserError: The file cannot be read, or too many of its rows are malformed.
    """
    head = first_lines(file, "id, Chinese title, English title")
    separator = "\t" if all("\t" in line for line in head) else ","
    return read_item_rows(file, separator, ItemFacts(wanted, _TITLES), _titles)


def _titles(fields: list[str]) -> list[str]:
    """Return both titles; a row of one title has no English one."""
    if not 1 <= len(fields) <= len(_TITLES):
        raise ValueError(f"{len(fields)} titles")
    return [*fields, *[""] * (len(_TITLES) - len(fields))]
