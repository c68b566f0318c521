"""The contents of the items of a target, and of those of source domains."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from recbole_idp.models.transrec.catalogue import Columns, read_catalogue
from recbole_idp.models.transrec.contents import ContentSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from recbole.config import Config

    from recbole_idp.data.catalog import DatasetLocation
    from recbole_idp.data.dataset import SequenceDataset
    from recbole_idp.data.domains import Domains
    from recbole_idp.models.transrec.catalogue import Catalogue


def target_settings(config: Config) -> ContentSettings:
    """Read how the contents of a target's items are read; nothing is trained of encoders that stay as they were."""
    settings = ContentSettings.of(config)
    if config["transfer"] not in ("zero_shot", "frozen"):
        return settings
    return dataclasses.replace(settings, trained=settings.trained.model_copy(update={"train_encoder": "none"}))


def target_catalogue(settings: ContentSettings, dataset: SequenceDataset) -> Catalogue:
    """Read the contents of a target's items.

    Args:
        settings: How they are read.
        dataset: The target.

    Returns:
        Of items 1 to N - 1.

    Raises:
        UserError: A file or a column is missing or wrong.
    """
    columns = Columns(
        settings.modalities.modality,
        settings.text.settings.text_fields,
        settings.image.settings.image_field,
        False,
        _declared_in(settings),
    )
    return read_catalogue(dataset.location, dataset.item_tokens()[1:], columns, settings.image)


def source_catalogue(settings: ContentSettings, domains: Domains, locations: Sequence[DatasetLocation]) -> Catalogue:
    """Read the contents of the items of source domains.

    Args:
        settings: How they are read.
        domains: The joined domains.
        locations: Where each of them lies.

    Returns:
        Of items 1 to N - 1.

    Raises:
        UserError: A file or a column is missing or wrong.
    """
    columns = Columns(
        settings.modalities.source_modality,
        settings.text.settings.source_text_fields,
        settings.image.settings.source_image_field,
        True,
        _declared_in(settings),
    )
    parts = []
    for number, location in enumerate(locations):
        tokens = [domains.item_tokens[item] for item in np.flatnonzero(domains.item_domain == number)]
        parts.append(read_catalogue(location, tokens, columns, settings.image))
    whole = parts[0]
    for part in parts[1:]:
        whole = whole + part
    return whole


def _declared_in(settings: ContentSettings) -> str | None:
    """Return the column that says what each item is made of, where one does."""
    modalities = settings.modalities
    return modalities.modality_field if modalities.mixed_by == "column" else None
