"""The files of MovieLens (1M, 10M: .dat; 20M, 25M, 32M and the small ones: .csv).

ratings.dat   UserID::MovieID::Rating::Timestamp            ratings.csv   userId,movieId,rating,timestamp
movies.dat    MovieID::Title::Genre|Genre                   movies.csv    movieId,title,genres
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from recbole_idp.data.convert.csv_rows import column_names, read_csv_rows
from recbole_idp.data.convert.events import checked_id, checked_time
from recbole_idp.data.convert.item_facts import ItemFacts
from recbole_idp.data.convert.lines import RawFile
from recbole_idp.data.convert.sequence_lines import first_lines
from recbole_idp.data.platforms.platform import Platform, PlatformEvent, checked_event

_DAT = "::"
_EVENTS = ("userId", "movieId", "rating", "timestamp")
_NO_GENRES = "(no genres listed)"


def read_ratings(file: RawFile) -> Iterator[PlatformEvent]:
    """Yield the ratings of a file of either form.

    Raises:
        UserError: The file cannot be read, lacks a column, or too many of its lines are malformed.
    """
    if _is_dat(file, "UserID::MovieID::Rating::Timestamp"):

        def parse_dat(fields: list[str]) -> PlatformEvent:
            user, item, rating, time = fields
            return checked_event(user, item, checked_time(time), rating)

        return file.parsed_rows(_DAT, parse_dat)
    names = column_names(file, _EVENTS)
    user, item, rating, time = (names.index(name) for name in _EVENTS)

    def parse(fields: list[str]) -> PlatformEvent:
        return checked_event(fields[user], fields[item], checked_time(fields[time]), fields[rating])

    return read_csv_rows(file, len(names), True, parse)


def read_movies(file: RawFile, wanted: Collection[str]) -> ItemFacts:
    """Read titles and genres.

    Args:
        file: The file of movies, of either form.
        wanted: The movies whose texts are kept.

    Raises:
        UserError: The file cannot be read, lacks a column, or too many of its lines are malformed.
    """
    facts = ItemFacts(wanted, {"title": "token_seq", "genres": "token_seq"})
    if _is_dat(file, "MovieID::Title::Genres"):

        def parse_dat(fields: list[str]) -> tuple[str, list[str]]:
            item, title, genres = fields
            return checked_id(item), [title, _genres(genres)]

        rows = file.parsed_rows(_DAT, parse_dat)
    else:
        names = column_names(file, ("movieId", "title", "genres"))
        places = [names.index(name) for name in ("movieId", "title", "genres")]

        def parse(fields: list[str]) -> tuple[str, list[str]]:
            item, title, genres = (fields[place] for place in places)
            return checked_id(item), [title, _genres(genres)]

        rows = read_csv_rows(file, len(names), True, parse)
    for row in rows:
        facts.add(*row)
    return facts


def _is_dat(file: RawFile, what: str) -> bool:
    """Return whether a file has no names of columns, and two colons between two fields."""
    return _DAT in first_lines(file, what)[0]


def _genres(text: str) -> str:
    """Return genres with commas between."""
    return "" if text.strip() == _NO_GENRES else ", ".join(text.strip().split("|"))


MOVIELENS = Platform(
    "MovieLens",
    ("ratings.dat", "ratings.csv"),
    ("movies.dat", "movies.csv"),
    read_ratings,
    read_movies,
    otherwise="latin-1",
)
