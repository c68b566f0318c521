"""What the items of a dataset are made of: their texts and pictures, and which of the two counts."""

from __future__ import annotations

import logging
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from recbole_idp.data.atomic import read_atomic, read_header
from recbole_idp.data.domain_texts import check_any_text, item_texts
from recbole_idp.data.item_pictures import has_picture_column
from recbole_idp.data.item_text import has_text_columns
from recbole_idp.errors import UserError
from recbole_idp.models.transrec.item_encoder import IMAGE, NOTHING, TEXT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from recbole_idp.content.image.encoding import ImageEncoding
    from recbole_idp.data.catalog import DatasetLocation
    from recbole_idp.data.item_text import ItemFileFormat
    from recbole_idp.models.transrec.keys import Modality, Rule

_CODES = {"text": TEXT, "image": IMAGE}


@dataclass(frozen=True)
class Columns:
    """Where the contents of a dataset's items stand.

    Attributes:
        modality: What the items are made of.
        text_fields: Columns of the text; None: all text columns.
        image_field: Column of the picture files; None: the usual names.
        is_source: Whether it is a source domain, whose columns other settings name.
        modality_field: Column that says what each item is made of; None: it is not read.
    """

    modality: Modality
    text_fields: Sequence[str] | None
    image_field: str | None
    is_source: bool
    modality_field: str | None

    @property
    def text_key(self) -> str:
        """The setting that names the columns of the text."""
        return "source_text_fields" if self.is_source else "text_fields"

    @property
    def image_key(self) -> str:
        """The setting that names the column of the pictures."""
        return "source_image_field" if self.is_source else "image_field"


@dataclass(frozen=True)
class Catalogue:
    """The contents of items, before they are encoded; lists have one entry for each item.

    Attributes:
        tokens: Their ids.
        texts: Their texts, blank for none.
        pictures: Files of their pictures, None for none.
        declared: What the column of modalities says: :data:`TEXT`, :data:`IMAGE`, or :data:`NOTHING`.
    """

    tokens: list[str]
    texts: list[str]
    pictures: list[Path | None]
    declared: list[int]

    def __add__(self, other: Catalogue) -> Catalogue:
        return Catalogue(
            self.tokens + other.tokens,
            self.texts + other.texts,
            self.pictures + other.pictures,
            self.declared + other.declared,
        )


def read_catalogue(
    location: DatasetLocation, tokens: Sequence[str], columns: Columns, images: ImageEncoding
) -> Catalogue:
    """Read the contents of a dataset's items.

    A dataset of mixed items may have no column of texts, or none of pictures.

    Args:
        location: Where it lies.
        tokens: Ids of the items.
        columns: Where the contents stand.
        images: How pictures are read.

    Returns:
        Texts where items may be texts, pictures where they may be pictures.

    Raises:
        UserError: A file or a column is missing or wrong, or no item has what all are to be made of.
    """
    path, file_format = location.item_file, images.file_format
    mixed = columns.modality == "mixed"
    header = read_header(path, file_format.separator, file_format.encoding) if mixed and path.is_file() else {}
    without_texts = mixed and columns.text_fields is None and not has_text_columns(header)
    without_pictures = mixed and columns.image_field is None and not has_picture_column(header)
    if without_texts and without_pictures:
        raise UserError(
            f"{location.name} has neither texts nor pictures of items in {path}: name columns in {columns.text_key} or "
            f"{columns.image_key}"
        )
    texts, declared = [""] * len(tokens), [NOTHING] * len(tokens)
    pictures: list[Path | None] = [None] * len(tokens)
    if columns.modality != "image" and not without_texts:
        texts = item_texts(location, columns.text_fields, file_format).for_items(tokens)
        if not mixed:
            check_any_text(texts, location.name, columns.text_key)
    if columns.modality != "text" and not without_pictures:
        pictures = images.pictures(location, tokens, columns.is_source)
    if mixed and columns.modality_field is not None:
        declared = _declared(path, tokens, columns.modality_field, file_format)
    return Catalogue(list(tokens), texts, pictures, declared)


def choose_modality(
    catalogue: Catalogue, has_picture: np.ndarray, modality: Modality, rule: Rule, name: str
) -> torch.Tensor:
    """Choose what each input is made of, and log how many are made of what.

    Args:
        catalogue: The contents of inputs 1 to I - 1.
        has_picture: Which of them have a picture that can be read; bool, shape [I - 1].
        modality: What they may be made of.
        rule: How items with both are chosen.
        name: Where the items are from, for the message.

    Returns:
        :data:`NOTHING`, :data:`TEXT` or :data:`IMAGE`, the first for padding and items without content; shape [I].
    """
    has_text = np.array([bool(text.strip()) for text in catalogue.texts])
    if modality == "text":
        chosen = np.where(has_text, TEXT, NOTHING)
    elif modality == "image":
        chosen = np.where(has_picture, IMAGE, NOTHING)
    else:
        prefers_text = _RULES[rule](catalogue)
        either = np.where(prefers_text, TEXT, IMAGE)
        chosen = np.where(
            has_text & has_picture, either, np.where(has_picture, IMAGE, np.where(has_text, TEXT, NOTHING))
        )
    counts = {kind: int((chosen == kind).sum()) for kind in (TEXT, IMAGE, NOTHING)}
    logging.getLogger().info(
        f"{name}: {counts[TEXT]:,} items are texts, {counts[IMAGE]:,} pictures, {counts[NOTHING]:,} have neither"
    )
    return torch.from_numpy(np.concatenate([[NOTHING], chosen]).astype(np.int64))


def _by_picture(catalogue: Catalogue) -> np.ndarray:
    return np.zeros(len(catalogue.tokens), dtype=bool)


def _at_random(catalogue: Catalogue) -> np.ndarray:
    """Draw by the item's id, so that an item is the same in every run and split."""
    return np.array([bool(zlib.crc32(token.encode("utf-8", "surrogatepass")) & 1) for token in catalogue.tokens])


def _by_column(catalogue: Catalogue) -> np.ndarray:
    return np.array([kind == TEXT for kind in catalogue.declared])


_RULES = {"picture": _by_picture, "random": _at_random, "column": _by_column}


def _declared(path: Path, tokens: Sequence[str], field: str, file_format: ItemFileFormat) -> list[int]:
    """Read a column that says text or image for each item."""

    def choose(types: dict[str, str]) -> list[str]:
        if field not in types:
            raise UserError(f"{path} has no column {field!r}, which modality_field names; it has {', '.join(types)}")
        return [file_format.item_field, field]

    frame = read_atomic(path, choose, file_format.separator, file_format.encoding)
    values = [str(value).strip().lower() for value in frame[field]]
    wrong = next((row for row, value in enumerate(values) if value and value not in _CODES), None)
    if wrong is not None:
        raise UserError(f"{path}, line {wrong + 2}: {field} is {values[wrong][:60]!r}: write text or image, or nothing")
    code_of = {
        token: _CODES.get(value, NOTHING) for token, value in zip(frame[file_format.item_field], values, strict=True)
    }
    return [code_of.get(token, NOTHING) for token in tokens]
