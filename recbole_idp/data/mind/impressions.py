"""Read MIND's behaviors.tsv: impressions, of which clicks are told apart, and the clicks before the first one."""

from __future__ import annotations

import math
from typing import NamedTuple

from recbole_idp.data.convert.events import EventLog, Events, checked_id
from recbole_idp.data.convert.lines import RawFile
from recbole_idp.data.times import parse_date

FIELDS = 5
_LABELS = {"0": False, "1": True}


class Impression(NamedTuple):
    """One impression.

    Attributes:
        user: Id of the user.
        time: Seconds since 1970.
        history: Ids of news that were clicked before, with blanks between.
        clicked: Ids of the news in it that were clicked.
    """

    user: str
    time: float
    history: str
    clicked: list[str]


def parse_impression(text: str) -> Impression:
    """Parse a line: impression, user, time, history, and ``N12-1 N7-0``.

    Raises:
        ValueError: It is malformed.
    """
    fields = text.split("\t")
    if len(fields) != FIELDS:
        raise ValueError(f"{len(fields)} fields")
    _, user, time, history, shown = fields
    clicked = []
    for entry in shown.split():
        item, dash, label = entry.rpartition("-")
        if not dash or label not in _LABELS:
            raise ValueError("no label")
        if _LABELS[label]:
            clicked.append(checked_id(item))
    return Impression(checked_id(user), parse_date(time.strip()).seconds, history, clicked)


def read_clicks(file: RawFile) -> tuple[Events, list[str]]:
    """Read the clicks of all impressions, by time.

    Raises:
        UserError: The file cannot be read, or too many of its lines are malformed.
    """
    log = EventLog()
    for impression in file.parsed(parse_impression):
        for item in impression.clicked:
            log.add(impression.user, item, impression.time)
    return log.timed(), ["earlier clicks, which have no times, are left out"]


def read_clicks_after_history(file: RawFile) -> tuple[Events, list[str]]:
    """Read, for each user, the history of the earliest impression, then the clicks of all impressions by time.

    Raises:
        UserError: The file cannot be read, or too many of its lines are malformed.
    """
    log = EventLog()
    earliest: dict[str, tuple[float, str]] = {}
    for impression in file.parsed(parse_impression):
        if impression.time < earliest.get(impression.user, (math.inf, ""))[0]:
            earliest[impression.user] = impression.time, impression.history
        for item in impression.clicked:
            log.add(impression.user, item, impression.time)
    earlier = 0
    for user, (_, history) in earliest.items():
        for item in history.split():
            log.add(user, item, -math.inf)
            earlier += 1
    return log.in_order(), [f"{earlier:,} events are of histories"]
