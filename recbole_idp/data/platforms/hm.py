"""The files of H&M (Kaggle, Personalized Fashion Recommendations).

transactions_train.csv   t_dat (a day), customer_id, article_id, ...
articles.csv             article_id, prod_name, product_type_name, colour_group_name, detail_desc, ...
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from recbole_idp.data.convert.csv_rows import column_names, read_csv_rows
from recbole_idp.data.convert.events import checked_id
from recbole_idp.data.convert.item_facts import ItemFacts
from recbole_idp.data.convert.lines import RawFile
from recbole_idp.data.platforms.platform import Platform, PlatformEvent, checked_event
from recbole_idp.data.times import TimeReader

_EVENTS = ("t_dat", "customer_id", "article_id")
_TEXTS = {
    "title": "prod_name",
    "product_type": "product_type_name",
    "product_group": "product_group_name",
    "colour": "colour_group_name",
    "appearance": "graphical_appearance_name",
    "department": "department_name",
    "section": "section_name",
    "description": "detail_desc",
}


def read_transactions(file: RawFile) -> Iterator[PlatformEvent]:
    """Yield the transactions. Those of a customer on one day stay in the order of the file.

    Raises:
        UserError: The file cannot be read, lacks a column, or too many of its rows are malformed.
    """
    names = column_names(file, _EVENTS)
    time, user, item = (names.index(name) for name in _EVENTS)
    time_of = TimeReader()

    def parse(fields: list[str]) -> PlatformEvent:
        return checked_event(fields[user], fields[item], time_of(fields[time]))

    return read_csv_rows(file, len(names), True, parse)


def read_articles(file: RawFile, wanted: Collection[str]) -> ItemFacts:
    """Read the names of articles and what describes them.

    Args:
        file: The file of articles.
        wanted: Those whose texts are kept.

    Raises:
        UserError: The file cannot be read, lacks a column, or too many of its rows are malformed.
    """
    names = column_names(file, ("article_id", "prod_name"), tuple(_TEXTS.values()))
    there = {column: name for column, name in _TEXTS.items() if name in names}
    item, places = names.index("article_id"), [names.index(name) for name in there.values()]
    facts = ItemFacts(wanted, dict.fromkeys(there, "token_seq"))

    def parse(fields: list[str]) -> tuple[str, list[str]]:
        return checked_id(fields[item]), [fields[place] for place in places]

    for row in read_csv_rows(file, len(names), True, parse):
        facts.add(*row)
    return facts


HM = Platform(
    "H&M",
    ("transactions_train.csv", "transactions.csv"),
    ("articles.csv",),
    read_transactions,
    read_articles,
    rated=False,
)
