"""Turn the files of MIND (ACL 2020) into atomic files: its own, or those that MoRec, TCF and Adapter4Rec read.

behaviors.tsv  impression, user, time, history, N12-1 N7-0
news.tsv       id, category, subcategory, title, abstract, url, entities of the title, entities of the abstract
users.tsv      user, a tab, ids with blanks between
items.tsv      id, title; or id, title, abstract
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from typing_extensions import Unpack

from recbole_idp.data.convert.events import Events
from recbole_idp.data.convert.item_facts import ItemFacts, read_item_rows
from recbole_idp.data.convert.lines import RawFile
from recbole_idp.data.convert.logs import LogOptions, LogSummary, Source, convert_log
from recbole_idp.data.convert.sequence_lines import first_lines, read_user_lines
from recbole_idp.data.mind.impressions import FIELDS, read_clicks, read_clicks_after_history
from recbole_idp.errors import UserError

_TYPES = dict.fromkeys(("title", "category", "subcategory", "abstract"), "token_seq")
_RAW_FIELDS = 7
_READERS = {"keep": read_clicks_after_history, "drop": read_clicks}


def convert_mind(events: str | Path, history: str = "keep", **options: Unpack[LogOptions]) -> LogSummary:
    """Convert MIND.

    Args:
        events: ``behaviors.tsv``, or lines of a user, a tab and ids.
        history: Of ``behaviors.tsv``: ``keep`` or ``drop`` the clicks before a user's first impression.
        **options: See :func:`~recbole_idp.data.convert.logs.convert_log`.

    Returns:
        Counts of what was read, dropped and written.

    Raises:
        UserError: As there.
    """
    path, file = Path(events), RawFile(events)
    source = Source("MIND", path, [file], lambda: read_behaviors(file, history), read_news)
    return convert_log(source, **options)


def read_behaviors(file: RawFile, history: str) -> tuple[Events, list[str]]:
    """Read ``behaviors.tsv``, or lines of a user and ids.

    Args:
        file: The file.
        history: ``keep`` or ``drop``.

    Raises:
        UserError: The file cannot be read, has another layout, no clicks, or too many malformed lines.
    """
    head = first_lines(file, "impression, user, time, history and impressions with tabs between, or a user and ids")
    width = head[0].count("\t") + 1
    if width != FIELDS:
        if width != 2:
            raise UserError(
                f"{file.path}, line 1 has {width} fields with tabs between; behaviors.tsv has {FIELDS}, and lines of a "
                "user and ids have 2: give another file"
            )
        return read_user_lines(file.path, file)
    shown = [entry for line in head for entry in line.rpartition("\t")[2].split()]
    if shown and not any("-" in entry for entry in shown):
        raise UserError(f"{file.path} does not say what was clicked, as MIND's test part: give that of train or dev")
    return _READERS[history](file)


def read_news(file: RawFile, wanted: Collection[str]) -> ItemFacts:
    """Read ``news.tsv``, or lines of an id and one or two texts. A first line that names columns is left out.

    Args:
        file: The file.
        wanted: The items whose texts are kept.

    Raises:
        UserError: The file cannot be read, has another layout, or too many malformed lines.
    """
    fields = first_lines(file, "an id and texts with tabs between")[-1].count("\t")
    if fields not in (1, 2, _RAW_FIELDS):
        raise UserError(
            f"{file.path} has {fields + 1} fields a line with tabs between; news.tsv has {_RAW_FIELDS + 1}, and lines "
            "of an id and texts have 2 or 3: give another file"
        )
    names = {1: ("title",), 2: ("title", "abstract"), _RAW_FIELDS: tuple(_TYPES)}[fields]

    def texts(found: list[str]) -> list[str]:
        if len(found) != fields:
            raise ValueError(f"{len(found)} texts")
        if fields < _RAW_FIELDS:
            return found
        category, subcategory, title, abstract = found[:4]
        return [title, category, subcategory, abstract]

    return read_item_rows(file, "\t", ItemFacts(wanted, {name: _TYPES[name] for name in names}), texts)
