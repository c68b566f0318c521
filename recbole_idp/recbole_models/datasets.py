"""RecBole's own sequential dataset, and the words of item texts as a feature of items for its models."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from recbole.data.dataset import SequentialDataset
from recbole.utils import FeatureSource, FeatureType

from recbole_idp.data.dataset import SequenceDataset
from recbole_idp.data.domain_texts import check_any_text, item_texts
from recbole_idp.data.few_shot import few_shot
from recbole_idp.data.reading import LiteralReading

if TYPE_CHECKING:
    from recbole.config import Config

    from recbole_idp.data.catalog import DatasetLocation

WORDS = "words"
"""The feature: the first words of an item's text, in lower case."""

MOST_WORDS = 32


class LiteralSequentialDataset(LiteralReading, SequentialDataset):
    """RecBole's :class:`~recbole.data.dataset.SequentialDataset`, whose files are read as the plugin reads them."""

    def build(self) -> list[LiteralSequentialDataset]:
        """Split the dataset as RecBole does, and keep the training rows of ``train_users_share`` of the users."""
        train, *others = super().build()
        self.check_labels([train, *others])
        return [few_shot(train, self.config["train_users_share"], self.config["train_users_seed"]), *others]

    def item_counts(self) -> np.ndarray:
        """Count the events of each item: targets of this part, and first events of their users; int64, shape [N]."""
        rows = self.inter_feat
        first = rows[self.item_id_list_field][rows[self.item_list_length_field] == 1, 0]
        return np.bincount(torch.cat([rows[self.iid_field], first]).numpy(), minlength=self.item_num)

    def history_lengths(self) -> np.ndarray:
        """Return the number of events before the target of each row, at most what a row holds; int64, shape [R]."""
        return self.inter_feat[self.item_list_length_field].numpy()


class ItemWords:
    """Mixin for a sequential dataset: the words of items are a ``token_seq`` field for feature models."""

    config: Config
    location: DatasetLocation
    iid_field: str
    item_feat: pd.DataFrame
    field2type: dict[str, FeatureType]
    field2source: dict[str, FeatureSource]
    field2seqlen: dict[str, int]

    def _load_data(self, token: str, dataset_path: str) -> None:
        """Read the dataset, and add the words of the items as a feature."""
        super()._load_data(token, dataset_path)  # type: ignore[misc]  # RecBole's
        texts = item_texts(self.config, self.location, self.config["text_fields"]).texts
        check_any_text(list(texts.values()), self.config["dataset"], "text_fields")
        words = [text.lower().split()[:MOST_WORDS] for text in texts.values()]
        self.item_feat = pd.DataFrame({self.iid_field: list(texts), WORDS: words})
        self.field2type[WORDS], self.field2source[WORDS] = FeatureType.TOKEN_SEQ, FeatureSource.ITEM
        self.field2seqlen[WORDS] = max(map(len, words))


class SequenceDatasetWithWords(ItemWords, SequenceDataset):
    """The plugin's sequential dataset, with words."""


class LiteralSequentialDatasetWithWords(ItemWords, LiteralSequentialDataset):
    """RecBole's sequential dataset, with words."""
