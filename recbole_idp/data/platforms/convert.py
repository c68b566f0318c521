"""Turn the files of a platform into atomic files: MovieLens, Yelp, Steam, Goodreads, H&M.

a file, or the folder that holds files of the usual names -> events with times -> .inter; texts of items -> .item
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from recbole_idp.data.convert.events import EventLog, Events
from recbole_idp.data.convert.lines import RawFile
from recbole_idp.data.convert.logs import LogOptions, LogSummary, Source, convert_log
from recbole_idp.data.platforms.goodreads import GOODREADS
from recbole_idp.data.platforms.hm import HM
from recbole_idp.data.platforms.movielens import MOVIELENS
from recbole_idp.data.platforms.steam import STEAM
from recbole_idp.data.platforms.yelp import YELP
from recbole_idp.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Unpack

    from recbole_idp.data.platforms.platform import Platform


def convert_movielens(events: str | Path, min_rating: float | None = None, **options: Unpack[LogOptions]) -> LogSummary:
    """Convert MovieLens 1M, 10M, 20M, 25M or 32M; see :func:`_convert`."""
    return _convert(MOVIELENS, events, min_rating, options)


def convert_yelp(events: str | Path, min_rating: float | None = None, **options: Unpack[LogOptions]) -> LogSummary:
    """Convert the reviews and businesses of Yelp's open dataset; see :func:`_convert`."""
    return _convert(YELP, events, min_rating, options)


def convert_goodreads(events: str | Path, min_rating: float | None = None, **options: Unpack[LogOptions]) -> LogSummary:
    """Convert the interactions and books of Goodreads; see :func:`_convert`."""
    return _convert(GOODREADS, events, min_rating, options)


def convert_steam(events: str | Path, **options: Unpack[LogOptions]) -> LogSummary:
    """Convert the reviews and games of Steam; see :func:`_convert`."""
    return _convert(STEAM, events, None, options)


def convert_hm(events: str | Path, **options: Unpack[LogOptions]) -> LogSummary:
    """Convert the transactions and articles of H&M; see :func:`_convert`."""
    return _convert(HM, events, None, options)


def _convert(platform: Platform, events: str | Path, min_rating: float | None, options: LogOptions) -> LogSummary:
    """Convert the files of a platform.

    Args:
        platform: The platform.
        events: Its file of events, or the folder that holds it, and the file of items where ``items`` names none.
        min_rating: Events with a lower rating are left out; None: none are.
        options: See :func:`~recbole_idp.data.convert.logs.convert_log`.

    Returns:
        Counts of what was read, dropped and written.

    Raises:
        UserError: As there. Or there is no such file in the folder.
    """
    path = Path(events)
    if path.is_dir():
        folder, path = path, _in_folder(path, platform)
        if options.get("items") is None:
            options["items"] = _first_of(folder, platform.item_files)
    file = RawFile(path, platform.otherwise)
    source = Source(
        platform.form,
        path,
        [file],
        lambda: _read(platform, file, min_rating),
        platform.describe,
        otherwise=platform.otherwise,
    )
    return convert_log(source, **options)


def _in_folder(folder: Path, platform: Platform) -> Path:
    """Return the file of events in a folder; UserError where there is none."""
    if (found := _first_of(folder, platform.event_files)) is None:
        raise UserError(f"{folder} has no {' or '.join(platform.event_files)}, also .gz: name the file of events")
    return found


def _first_of(folder: Path, names: Sequence[str]) -> Path | None:
    """Return the first of some files that a folder has, gzipped or not; None where it has none."""
    paths = (folder / f"{name}{ending}" for name in names for ending in ("", ".gz"))
    return next((path for path in paths if path.is_file()), None)


def _read(platform: Platform, file: RawFile, min_rating: float | None) -> tuple[Events, list[str]]:
    """Read the events by time, with notes on those that are left out."""
    log, low, undated = EventLog(rated=platform.rated), 0, 0
    for user, item, time, rating in platform.read(file):
        if min_rating is not None and rating < min_rating:
            low += 1
        elif time is None:
            undated += 1
        else:
            log.add(user, item, time, rating)
    notes = []
    if low:
        notes.append(f"{low:,} events with a rating below {min_rating:g} are left out")
    if undated:
        notes.append(f"{undated:,} events without a whole date are left out")
    return log.timed(), notes
