"""RecBole's own sequential dataset, and the words of item texts as a feature of items for its models."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import torch
from recbole.data.dataset import SequentialDataset
from recbole.data.interaction import Interaction
from recbole.utils import FeatureSource, FeatureType

from recbole_idp.data.dataset import SEQUENCE_END, SEQUENCE_START, FlatRows, SequenceDataset
from recbole_idp.data.domain_texts import check_any_text, item_texts
from recbole_idp.data.few_shot import few_shot
from recbole_idp.data.item_text import ItemFileFormat
from recbole_idp.data.reading import LiteralReading

if TYPE_CHECKING:
    from recbole.config import Config

    from recbole_idp.data.catalog import DatasetLocation
    from recbole_idp.data.splits import PartRows

WORDS = "words"
"""The feature: the first words of an item's text, in lower case."""

MOST_WORDS = 32


class LiteralSequentialDataset(FlatRows, LiteralReading, SequentialDataset):
    """RecBole's :class:`~recbole.data.dataset.SequentialDataset`, whose files are read as the plugin reads them."""

    def build(self) -> list[LiteralSequentialDataset]:
        """Split the dataset, and keep the training rows of ``train_users_share`` of the users."""
        if self.split_by_events():
            self._change_feat_format()
            train, *others = (self._part(rows) for rows in self.part_rows())
        else:
            train, *others = super().build()
        return [few_shot(train, self.config["train_users_share"], self.config["train_users_seed"]), *others]

    def data_augmentation(self) -> None:
        """Make RecBole's padded rows; in a split that is given event by event, each part makes its own."""
        if self.split_by_events():
            return
        self.sort(by=[self.uid_field, self.time_field], ascending=True)
        columns = self._flatten(*(self.inter_feat[name].numpy() for name in (self.uid_field, self.iid_field)))
        super().data_augmentation()
        self.inter_feat.update(columns)

    def _part(self, rows: PartRows) -> LiteralSequentialDataset:
        """Return RecBole's padded rows for a part of a split that is given event by event."""
        width = self.max_item_list_len
        self.item_id_list_field = self.iid_field + self.config["LIST_SUFFIX"]
        self.set_field_property(self.item_id_list_field, FeatureType.TOKEN_SEQ, FeatureSource.INTERACTION, width)
        self.set_field_property(self.item_list_length_field, FeatureType.TOKEN, FeatureSource.INTERACTION, 1)
        targets = rows.targets()
        items, lengths = targets.histories(torch.arange(len(targets)), width)
        columns = {
            self.uid_field: rows.users(),
            self.iid_field: targets.items,
            self.item_id_list_field: torch.nn.functional.pad(items, (0, width - items.shape[1])),
            self.item_list_length_field: lengths,
            SEQUENCE_START: rows.starts,
            SEQUENCE_END: rows.ends,
        }
        part = self.copy(Interaction(columns))
        part._rows = rows
        return part


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
        texts = item_texts(self.location, self.config["text_fields"], ItemFileFormat.of(self.config)).texts
        check_any_text(list(texts.values()), self.config["dataset"], "text_fields")
        words = [text.lower().split()[:MOST_WORDS] for text in texts.values()]
        self.item_feat = pd.DataFrame({self.iid_field: list(texts), WORDS: words})
        self.field2type[WORDS], self.field2source[WORDS] = FeatureType.TOKEN_SEQ, FeatureSource.ITEM
        self.field2seqlen[WORDS] = max(map(len, words))


class SequenceDatasetWithWords(ItemWords, SequenceDataset):
    """The plugin's sequential dataset, with words."""


class LiteralSequentialDatasetWithWords(ItemWords, LiteralSequentialDataset):
    """RecBole's sequential dataset, with words."""
