"""Turn the files of TransRec (arXiv 2206.06190) into atomic files: articles, which have titles, and videos with covers.

sequences  the item ids of a user a line, with blanks between, oldest first; an id that begins with 2 is an article
articles   id and title, with a blank between
covers     ID.jpg
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from typing_extensions import Unpack

from recbole_idp.data.convert.events import checked_id
from recbole_idp.data.convert.item_facts import ItemFacts
from recbole_idp.data.convert.lines import RawFile
from recbole_idp.data.convert.logs import LogOptions, LogSummary, Source, convert_log
from recbole_idp.data.convert.sequence_lines import first_lines, read_item_lines

_ARTICLE = "2"


def convert_transrec(events: str | Path, **options: Unpack[LogOptions]) -> LogSummary:
    """Convert sequences of articles and videos.

    Args:
        events: The sequences; each line is a user.
        **options: See :func:`~recbole_idp.data.convert.logs.convert_log`.

    Returns:
        Counts of what was read, dropped and written.

    Raises:
        UserError: As there. Or the sequences are a NumPy array, whose objects would be pickles.
    """
    path, file = Path(events), RawFile(events)
    source = Source("TransRec", path, [file], lambda: read_item_lines(path, file), read_articles)
    return convert_log(source, **options)


def read_articles(file: RawFile, wanted: Collection[str]) -> ItemFacts:
    """Read the titles of articles: id and title, of which the first blank or tab is between.

    Args:
        file: The file.
        wanted: The items whose titles are kept.

    Raises:
        UserError: The file cannot be read, or too many of its lines are malformed.
    """
    first_lines(file, "an id, a blank and a title")
    facts = ItemFacts(wanted, {"title": "token_seq"})

    def parse(text: str) -> tuple[str, list[str]]:
        item, title = text.split(maxsplit=1)
        return checked_id(item), [title]

    for row in file.parsed(parse):
        facts.add(*row)
    articles = [item for item in wanted if item.startswith(_ARTICLE)]
    if untold := sum(not facts.knows(item) for item in articles):
        facts.notes.append(f"{untold:,} of {len(articles):,} articles, whose ids begin with {_ARTICLE}, have no title")
    return facts
