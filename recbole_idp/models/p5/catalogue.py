"""The items that prompts are about: their numbers and titles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from recbole_idp.content.text.encoding import TextEncoding
from recbole_idp.data.domain_texts import domain_texts, item_texts
from recbole_idp.models.base.text_vectors import target_texts
from recbole_idp.models.p5.keys import WordingSettings
from recbole_idp.models.p5.numbering import random_numbers, reference_numbers, text_numbers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from recbole.config import Config

    from recbole_idp.data.catalog import DatasetLocation
    from recbole_idp.data.dataset import SequenceDataset
    from recbole_idp.data.domains import Domains


@dataclass(frozen=True)
class Catalogue:
    """Items by number and title. N items with padding.

    Attributes:
        numbers: The number that names each item, 0 for padding; int64, shape [N].
        titles: Title of each item, blank where it has none or none is named; length N.
    """

    numbers: np.ndarray
    titles: list[str]


def target_catalogue(config: Config, dataset: SequenceDataset) -> Catalogue:
    """Number the items of a target, and read their titles where prompts name them.

    Args:
        config: RecBole's configuration.
        dataset: The target.

    Raises:
        UserError: Titles or texts are asked for, and there are none.
    """
    wording, encoding, n_items = WordingSettings.of(config), TextEncoding.of(config), dataset.item_num
    titles = [""] * n_items
    if wording.title_words:
        read = item_texts(dataset.location, encoding.settings.text_fields, encoding.file_format).titles
        titles = [read.get(token, "") for token in dataset.item_tokens()]
    numbers = _numbers(config, n_items, lambda: target_texts(encoding, dataset), lambda: dataset.user_histories().items)
    return Catalogue(numbers, titles)


def source_catalogue(config: Config, domains: Domains, locations: Sequence[DatasetLocation]) -> Catalogue:
    """Number the items of source domains, all together, and read their titles where prompts name them.

    Args:
        config: RecBole's configuration.
        domains: The joined domains.
        locations: Where they lie.

    Raises:
        UserError: Titles or texts are asked for, and there are none.
    """
    wording, encoding, n_items = WordingSettings.of(config), TextEncoding.of(config), len(domains.item_tokens)
    texts: list[str] = []
    titles = [""] * n_items
    if wording.title_words or wording.item_numbering == "text":
        fields = encoding.settings.source_text_fields
        texts, found = domain_texts(domains, locations, fields, encoding.file_format)
        titles = ["", *found] if wording.title_words else titles
    return Catalogue(_numbers(config, n_items, lambda: texts, lambda: domains.sequences.items), titles)


def _numbers(
    config: Config, n_items: int, texts: Callable[[], Sequence[str]], events: Callable[[], torch.Tensor]
) -> np.ndarray:
    """Number items as ``item_numbering`` says; ``texts()`` are those of items 1 to N - 1, ``events()`` all events."""
    kind = WordingSettings.of(config).item_numbering
    if kind == "random":
        # The same numbers for every seed of training, as the numbers are a part of the data.
        return random_numbers(n_items, config["train_users_seed"])
    if kind == "reference":
        return reference_numbers(events(), n_items)
    encoding, read = TextEncoding.of(config), texts()
    with torch.random.fork_rng(devices=[]):
        vectors, _ = encoding.encode(encoding.load_encoder().fit(read), read)
    return text_numbers(vectors)
