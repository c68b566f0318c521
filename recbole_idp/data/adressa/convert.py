"""Turn the logs of Adressa (SmartMedia, 2017) into atomic files, raw or in the form in which Adapter4Rec reads them.

one_week/20170102  a JSON object a line: userId, time, id, title, category1, keywords
users_base.tsv     user, a tab, ids with blanks between
news_base.tsv      id, a tab, title
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from typing_extensions import Unpack

from recbole_idp.data.convert.events import EventLog, Events, checked_id, checked_time
from recbole_idp.data.convert.item_facts import ItemFacts, read_item_rows
from recbole_idp.data.convert.lines import RawFile, parse_record
from recbole_idp.data.convert.logs import LogOptions, LogSummary, Source, convert_log
from recbole_idp.data.convert.sequence_lines import first_lines, read_user_lines
from recbole_idp.errors import UserError

_TYPES = {"title": "token_seq", "category": "token_seq", "keywords": "token_seq"}


class View(NamedTuple):
    """A view of an article.

    Attributes:
        user: Id of the reader.
        item: Id of the article.
        time: Seconds since 1970.
        texts: Title, category and keywords.
    """

    user: str
    item: str
    time: float
    texts: tuple[str, str, str]


def convert_adressa(events: str | Path, **options: Unpack[LogOptions]) -> LogSummary:
    """Convert Adressa.

    Args:
        events: A log, a folder of logs, or lines of a user, a tab and ids.
        **options: See :func:`~recbole_idp.data.convert.logs.convert_log`.

    Returns:
        Counts of what was read, dropped and written.

    Raises:
        UserError: As there.
    """
    path = Path(events)
    files = log_files(path)
    is_log = first_lines(files[0], "a JSON object, or a user, a tab and ids")[0].lstrip().startswith("{")
    if len(files) > 1 and not is_log:
        raise UserError(f"{files[0].path} has no JSON objects: give a folder of Adressa's logs, or one file")
    if is_log:
        log = LogReader(files)
        source = Source("Adressa", path, files, log.read, read_titles, log.describe)
    else:
        source = Source("Adressa", path, files, lambda: read_user_lines(path, files[0]), read_titles)
    return convert_log(source, **options)


def log_files(path: Path) -> list[RawFile]:
    """Return the files of a folder in the order of their names, or the one file.

    Raises:
        UserError: The folder has no files.
    """
    if not path.is_dir():
        return [RawFile(path)]
    found = sorted(entry.name for entry in os.scandir(path) if entry.is_file() and not entry.name.startswith("."))
    if not found:
        raise UserError(f"{path} has no files: name the folder of Adressa's logs, one a day")
    return [RawFile(path / name) for name in found]


class LogReader:
    """Reads logs: the first view of each article by a reader, and the articles' texts.

    Args:
        files: The logs.
    """

    def __init__(self, files: Sequence[RawFile]) -> None:
        self._files = files
        self._texts: dict[str, tuple[str, str, str]] = {}

    def read(self) -> tuple[Events, list[str]]:
        """Read all logs.

        Raises:
            UserError: A file cannot be read, or too many of its lines are malformed.
        """
        log, others = EventLog(), 0
        for file in self._files:
            for view in file.parsed(parse_view):
                if view is None:
                    others += 1
                    continue
                log.add(view.user, view.item, view.time)
                self._texts.setdefault(view.item, view.texts)
        notes = [f"{others:,} views of front pages and others that are no articles are left out"] if others else []
        return log.first_of_each_item(), notes

    def describe(self, wanted: Collection[str]) -> ItemFacts:
        """Return the texts that the logs have, those of the first view of each article."""
        facts = ItemFacts(wanted, _TYPES)
        for item, texts in self._texts.items():
            facts.add(item, texts)
        return facts


def parse_view(text: str) -> View | None:
    """Parse a line of a log; None for a page that is no article, which has no id or no title.

    Raises:
        ValueError | KeyError: It is malformed.
    """
    record = parse_record(text)
    user, time = checked_id(_text(record["userId"])), checked_time(record["time"])
    item, title = _text(record.get("id")), _text(record.get("title"))
    if not item.strip() or not title.strip():
        return None
    category = ", ".join(filter(None, _text(record.get("category1")).split("|")))
    return View(user, checked_id(item), time, (title, category, _text(record.get("keywords"))))


def _text(value: Any) -> str:
    """Return a text; empty for None.

    Raises:
        ValueError: It is anything else.
    """
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError("no text")
    return value


def read_titles(file: RawFile, wanted: Collection[str]) -> ItemFacts:
    """Read lines of an id, a tab and a title.

    Args:
        file: The file.
        wanted: The items whose titles are kept.

    Raises:
        UserError: The file cannot be read, or too many of its lines are malformed.
    """
    first_lines(file, "an id, a tab and a title")
    return read_item_rows(file, "\t", ItemFacts(wanted, {"title": "token_seq"}), _one_title)


def _one_title(fields: list[str]) -> list[str]:
    if len(fields) != 1:
        raise ValueError(f"{len(fields)} titles")
    return fields
