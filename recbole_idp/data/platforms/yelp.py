"""The files of Yelp's open dataset: JSON, a record a line.

yelp_academic_dataset_review.json     user_id, business_id, stars, date, ...
yelp_academic_dataset_business.json   business_id, name, city, categories, ...
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from recbole_idp.data.convert.item_facts import ItemFacts
from recbole_idp.data.convert.lines import RawFile
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


def read_reviews(file: RawFile) -> Iterator[PlatformEvent]:
    """Yield the reviews.

    Raises:
        UserError: The file cannot be read, lacks a key, or too many of its lines are malformed.
    """
    return read_event_records(
        file,
        ("user_id", "business_id", "stars", "date"),
        lambda one, time_of: checked_event(one["user_id"], one["business_id"], time_of(one["date"]), one["stars"]),
    )


def read_businesses(file: RawFile, wanted: Collection[str]) -> ItemFacts:
    """Read names, categories and cities.

    Args:
        file: The file of businesses.
        wanted: Those whose texts are kept.

    Raises:
        UserError: The file cannot be read, lacks a key, or too many of its lines are malformed.
    """
    check_keys(file, "business_id", "name")
    facts = ItemFacts(wanted, {"title": "token_seq", "categories": "token_seq", "city": "token_seq"})
    return read_records(
        file,
        facts,
        "business_id",
        lambda record: [text_of(record.get("name")), list_of(record.get("categories")), text_of(record.get("city"))],
    )


YELP = Platform(
    "Yelp",
    ("yelp_academic_dataset_review.json", "review.json"),
    ("yelp_academic_dataset_business.json", "business.json"),
    read_reviews,
    read_businesses,
)
