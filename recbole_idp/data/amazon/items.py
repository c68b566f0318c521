"""Read the metadata of Amazon items, in the layouts of 2014, 2018 and 2023, as rows of an ``.item`` file."""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pandas as pd

from recbole_idp.data.amazon.lines import RawFile, parse_record
from recbole_idp.data.html_text import clean
from recbole_idp.errors import UserError

ITEM_TYPES = {
    "item_id": "token",
    "title": "token_seq",
    "brand": "token_seq",
    "categories": "token_seq",
    "description": "token_seq",
    "price": "float",
}
# No text encoder reads more characters of a description than this.
DESCRIPTION_LENGTH = 2000

# Title, brand, categories, description and price.
_Description = tuple[str, str, str, str, float]
_PRICE = re.compile(r"\$?\s*(\d[\d,]*(?:\.\d+)?)")


def read_metadata(file: RawFile, tokens: Iterable[str]) -> pd.DataFrame:
    """Read the metadata of some items.

    Args:
        file: The metadata, a record per line.
        tokens: The items to describe.

    Returns:
        One row for each of ``tokens`` in their order, with the columns of ``ITEM_TYPES``. Unknown texts are empty. The
        column ``price`` is missing if no item has a price.

    Raises:
        UserError: The file cannot be read, has no metadata or too many malformed lines.
    """
    tokens = list(tokens)
    record = file.first_record()
    if record is None or not ("asin" in record or "parent_asin" in record):
        raise UserError(f"{file.path} has no metadata: need a record with asin or parent_asin in every line")
    if "overall" in record or "rating" in record:
        raise UserError(f"{file.path} has reviews, no metadata: are reviews and metadata the wrong way round?")
    wanted = set(tokens)
    described: dict[str, _Description] = {}

    def parse(line: str) -> tuple[str, _Description] | None:
        """Return the token and the description in a line; None for items that are not wanted or known already."""
        record = parse_record(line)
        token = str(record.get("parent_asin") or record["asin"]).strip()
        # The release of 2018 has some items twice, with the same content.
        return (token, _description(record)) if token in wanted and token not in described else None

    for entry in file.parsed(parse):
        if entry is not None:
            described[entry[0]] = entry[1]
    nothing = _description({})
    columns = list(ITEM_TYPES)
    frame = pd.DataFrame([(token, *described.get(token, nothing)) for token in tokens], columns=columns)
    return frame.drop(columns="price") if frame["price"].isna().all() else frame


def _description(record: Mapping[str, Any]) -> _Description:
    """Return title, brand, categories, description and price of one item, cleaned; missing texts are empty."""
    categories = [record.get("main_category"), record.get("categories"), record.get("category")]
    return (
        _title(record.get("title")),
        clean(record.get("brand") or record.get("store")),
        ", ".join(dict.fromkeys(filter(None, map(clean, _leaves(categories))))),
        " ".join(filter(None, map(clean, _leaves(record.get("description")))))[:DESCRIPTION_LENGTH].rstrip(),
        _price(record.get("price")),
    )


def _title(value: object) -> str:
    """Return the cleaned title; empty for titles of 2018 that are pieces of the page's code."""
    if not isinstance(value, str) or "getTime" in value or value.lstrip().startswith("<span"):
        return ""
    return clean(value)


def _leaves(value: object) -> Iterator[object]:
    """Yield the elements of nested lists, in order."""
    if isinstance(value, list | tuple):
        for element in value:
            yield from _leaves(element)
    else:
        yield value


def _price(value: object) -> float:
    """Return a price as a number; NaN for a range of prices and for anything else that is not one price."""
    match = _PRICE.fullmatch(str(value).strip()) if isinstance(value, str | int | float) else None
    return float(match.group(1).replace(",", "")) if match else math.nan
