"""Turn the files of PixelRec (arXiv 2309.06789) into atomic files.

Pixel200K.csv     item_id,user_id,timestamp
item information  item_id, counts of views and so on, title, tag, description; texts may have line breaks
cover/ID.jpg      covers
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from typing_extensions import Unpack

from recbole_idp.data.convert.csv_rows import column_names, read_csv_rows
from recbole_idp.data.convert.events import EventLog, Events, checked_id, checked_time
from recbole_idp.data.convert.item_facts import ItemFacts
from recbole_idp.data.convert.lines import RawFile
from recbole_idp.data.convert.logs import LogOptions, LogSummary, Source, convert_log

_EVENTS = ("user_id", "item_id", "timestamp")
# Counts of views are no texts, and are of a time after the events.
_TEXTS = {"title": "token_seq", "tag": "token_seq", "description": "token_seq"}
_NOTHING = "-"


def convert_pixelrec(events: str | Path, **options: Unpack[LogOptions]) -> LogSummary:
    """Convert one dataset of PixelRec.

    Args:
        events: The interactions, with their first line.
        **options: See :func:`~recbole_idp.data.convert.logs.convert_log`.

    Returns:
        Counts of what was read, dropped and written.

    Raises:
        UserError: As there.
    """
    path, file = Path(events), RawFile(events)
    source = Source("PixelRec", path, [file], lambda: (read_events(file), []), read_texts)
    return convert_log(source, **options)


def read_events(file: RawFile) -> Events:
    """Read the interactions, by time.

    Raises:
        UserError: The file cannot be read, lacks a column, or too many of its rows are malformed.
    """
    names = column_names(file, _EVENTS)
    user, item, time = (names.index(name) for name in _EVENTS)

    def parse(fields: list[str]) -> tuple[str, str, float]:
        return checked_id(fields[user]), checked_id(fields[item]), checked_time(fields[time])

    log = EventLog()
    for event in read_csv_rows(file, len(names), True, parse):
        log.add(*event)
    return log.timed()


def read_texts(file: RawFile, wanted: Collection[str]) -> ItemFacts:
    """Read the items' information.

    Args:
        file: The table, with its first line.
        wanted: The items whose texts are kept.

    Raises:
        UserError: The file cannot be read, lacks a column, or too many of its rows are malformed.
    """
    names = column_names(file, ("item_id", "title"), tuple(_TEXTS))
    columns = {name: kind for name, kind in _TEXTS.items() if name in names}
    item, places = names.index("item_id"), [names.index(name) for name in columns]
    facts = ItemFacts(wanted, columns)

    def parse(fields: list[str]) -> tuple[str, list[str]]:
        texts = [fields[place] for place in places]
        return checked_id(fields[item]), ["" if text.strip() == _NOTHING else text for text in texts]

    for row in read_csv_rows(file, len(names), True, parse):
        facts.add(*row)
    return facts
