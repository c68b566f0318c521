"""Read the metadata of items, Amazon's of 2014, 2018 and 2023 and tables, as rows of an ``.item`` file."""

import itertools
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from recbole_idp.data.convert.lines import RawFile, parse_record
from recbole_idp.data.convert.tables import EVENT_NAMES, ITEM_NAMES, Table, find_columns, missing_columns, split_header
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

# What reviews have, and metadata do not.
_REVIEWED = {"user", "time"}
# Title, brand, categories, description and price.
_Description = tuple[str, str, str, str, float]
_PRICE = re.compile(r"\$?\s*(\d[\d,]*(?:\.\d+)?)")


class Metadata(NamedTuple):
    """The metadata of some items.

    Attributes:
        frame: One row an item, with the columns of ``ITEM_TYPES``. Unknown texts are empty. The column ``price`` is
            missing if no item has a price.
        described: How many of the items the file describes.
        example: An item id of the file; empty if it has none.
    """

    frame: pd.DataFrame
    described: int
    example: str


def read_metadata(file: RawFile, tokens: Iterable[str]) -> Metadata:
    """Read the metadata of some items.

    Args:
        file: The metadata: a record per line, or a table whose first line names its columns.
        tokens: The items to describe, in the order of the rows.

    Raises:
        UserError: The file cannot be read, has no metadata or too many malformed lines.
    """
    tokens = list(tokens)
    ids = set(tokens)
    described: dict[str, _Description] = {}
    example = ""
    read, record_of = _form(file)

    def parse(entry: Any) -> tuple[str, _Description | None]:
        """Return the id and the description of an entry; None for items that are not wanted or known already."""
        token, record = record_of(entry)
        # The release of 2018 has some items twice, with the same content.
        return token, _description(record) if token in ids and token not in described else None

    for token, description in read(parse):
        example = example or token
        if description is not None:
            described[token] = description
    nothing = _description({})
    columns = list(ITEM_TYPES)
    frame = pd.DataFrame([(token, *described.get(token, nothing)) for token in tokens], columns=columns)
    frame = frame.drop(columns="price") if frame["price"].isna().all() else frame
    return Metadata(frame, len(described), example)


_Parse = Callable[[Any], tuple[str, _Description | None]]
_Form = tuple[
    Callable[[_Parse], Iterator[tuple[str, _Description | None]]], Callable[[Any], tuple[str, Mapping[str, Any]]]
]


def _form(file: RawFile) -> _Form:
    """Return what reads the entries of a file, and what returns the id and the record of an entry."""
    head = file.head(1)
    record = file.first_record()
    if record is None:
        separator, record_of_row = _table(head[0] if head else "", file.path)
        # The first row has the names.
        return (lambda parse: itertools.islice(file.parsed_rows(separator, parse), 1, None)), record_of_row
    names = list(map(str, record))
    if find_columns(names, EVENT_NAMES).keys() >= _REVIEWED:
        raise _wrong_way_round(file.path)
    if "asin" in record or "parent_asin" in record:
        return file.parsed, _amazon_record
    keys = {part: names[place] for part, place in find_columns(names, ITEM_NAMES).items()}
    _check_parts(file.path, names, keys)

    def record_of(line: str) -> tuple[str, dict[str, Any]]:
        record = parse_record(line)
        return str(record[keys["item"]]).strip(), {part: record.get(key) for part, key in keys.items()}

    return file.parsed, record_of


def _amazon_record(line: str) -> tuple[str, Mapping[str, Any]]:
    """Return the id and the record in a line of Amazon's metadata."""
    record = parse_record(line)
    return str(record.get("parent_asin") or record["asin"]).strip(), record


def _table(header: str, path: Path) -> tuple[str, Callable[[list[str]], tuple[str, dict[str, Any]]]]:
    """Return the separator of a table of items, and what reads its rows."""
    table: Table = split_header(header, ITEM_NAMES)
    if find_columns(table.header, EVENT_NAMES).keys() >= _REVIEWED:
        raise _wrong_way_round(path)
    _check_parts(path, table.header, table.columns)
    places = table.columns

    def record_of(fields: list[str]) -> tuple[str, dict[str, Any]]:
        if len(fields) != table.width:
            raise ValueError(f"{len(fields)} fields")
        record: dict[str, Any] = {part: fields[place] for part, place in places.items()}
        if "categories" in record:
            record["categories"] = record["categories"].split("|")
        return record["item"].strip(), record

    return table.separator, record_of


def _check_parts(path: Path, names: Sequence[str], found: Iterable[str]) -> None:
    """Raise UserError if a file names no items, or has no text about them."""
    parts = set(found)
    if "item" not in parts or not parts & {"title", "brand", "categories", "description"}:
        missing = [part for part in ("item", "title") if part not in parts]
        raise UserError(f"{missing_columns(path, names, parts, missing)}, so that it has no metadata")


def _wrong_way_round(path: Path) -> UserError:
    """Return the error for reviews in the place of metadata."""
    return UserError(f"{path} has reviews, no metadata: are reviews and metadata the wrong way round?")


def _description(record: Mapping[str, Any]) -> _Description:
    """Return title, brand, categories, description and price of one item, cleaned; missing texts are empty."""
    categories = [record.get("main_category"), record.get("categories"), record.get("category")]
    return (
        _title(record.get("title")),
        ", ".join(filter(None, map(clean, _leaves(record.get("brand") or record.get("store"))))),
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
