"""The files of Steam (SASRec's, UCSD): records a line, as Python literals, gzipped. Nothing in them is evaluated.

steam_reviews.json.gz             username, product_id, date "2017-12-23", ...
australian_user_reviews.json.gz   user_id, reviews: [{item_id, posted "Posted November 5, 2011.", ...}]
steam_games.json.gz               id, app_name, tags, genres, developer, ...
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from recbole_idp.data.convert.item_facts import ItemFacts
from recbole_idp.data.convert.lines import RawFile, parse_record
from recbole_idp.data.convert.sequence_lines import first_lines
from recbole_idp.data.platforms.platform import (
    Platform,
    PlatformEvent,
    check_keys,
    checked_event,
    list_of,
    read_event_records,
    read_records,
    text_of,
)

_POSTED = re.compile(r"Posted ([A-Z][a-z]+) (\d{1,2})(?:, (\d{4}))?\.?", re.ASCII)
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
_EPOCH, _DAY = datetime.date(1970, 1, 1).toordinal(), 86_400


def read_reviews(file: RawFile) -> Iterator[PlatformEvent]:
    """Yield the reviews of either file.

    Raises:
        UserError: The file cannot be read, lacks a key, or too many of its lines are malformed.
    """
    first_lines(file, "reviews")
    if "reviews" in (file.first_record() or {}):
        check_keys(file, "user_id", "reviews")
        return (event for events in file.parsed(_reviews_of_user) for event in events)
    return read_event_records(
        file,
        ("username", "product_id", "date"),
        lambda one, time_of: checked_event(one["username"], one["product_id"], time_of(one["date"])),
    )


def _reviews_of_user(line: str) -> list[PlatformEvent]:
    """Return the reviews of a user, who has a line."""
    record = parse_record(line)
    return [checked_event(record["user_id"], one["item_id"], _posted(one["posted"])) for one in record["reviews"]]


def _posted(text: str) -> float | None:
    """Return the time of a date in words; None where it has no year, as those of the year of the download."""
    found = _POSTED.fullmatch(text.strip())
    if found is None or found[1] not in _MONTHS:
        raise ValueError("no date")
    if found[3] is None:
        return None
    day = datetime.date(int(found[3]), _MONTHS.index(found[1]) + 1, int(found[2]))
    return float((day.toordinal() - _EPOCH) * _DAY)


def read_games(file: RawFile, wanted: Collection[str]) -> ItemFacts:
    """Read titles, genres, tags and developers.

    Args:
        file: The file of games.
        wanted: Those whose texts are kept.

    Raises:
        UserError: The file cannot be read, lacks a key, or too many of its lines are malformed.
    """
    first_lines(file, "games")
    columns = ("title", "genres", "tags", "developer")
    return read_records(file, ItemFacts(wanted, dict.fromkeys(columns, "token_seq")), "id", _texts)


def _texts(record: Mapping[str, Any]) -> list[str]:
    """Return the texts of a game."""
    title = text_of(record.get("app_name")) or text_of(record.get("title"))
    return [title, list_of(record.get("genres")), list_of(record.get("tags")), text_of(record.get("developer"))]


STEAM = Platform(
    "Steam",
    ("steam_reviews.json", "steam_new.json", "australian_user_reviews.json"),
    ("steam_games.json",),
    read_reviews,
    read_games,
    rated=False,
)
