"""RecBole's own sequential datasets, and features of items for its models."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from recbole.data.dataset import SequentialDataset
from recbole.data.dataset.customized_dataset import DIENDataset
from recbole.data.interaction import Interaction
from recbole.utils import FeatureSource, FeatureType

from recbole_idp.data.atomic import FileFormat, read_atomic
from recbole_idp.data.dataset import SEQUENCE_END, SEQUENCE_START, FlatRows, SequenceDataset
from recbole_idp.data.domain_texts import check_any_text, item_texts
from recbole_idp.data.few_shot import few_shot
from recbole_idp.data.item_text import ItemFileFormat
from recbole_idp.data.reading import LiteralReading
from recbole_idp.errors import UserError

if TYPE_CHECKING:
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
        self.check_labels([train, *others])
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
            **self.labels_of(rows),
        }
        part = self.copy(Interaction(columns))
        part._rows = rows
        return part


class ItemFeatures(LiteralReading):
    """Mixin for a sequential dataset: features of items for RecBole's feature models.

    They are the columns of the ``.item`` file that ``load_col`` or ``selected_features`` names, and the words of the
    items' texts where ``selected_features`` names them.
    """

    item_feat: pd.DataFrame | None
    field2type: dict[str, FeatureType]
    field2source: dict[str, FeatureSource]
    field2seqlen: dict[str, int]

    def _load_data(self, token: str, dataset_path: str) -> None:
        """Read the dataset, and check that the selected features are there."""
        super()._load_data(token, dataset_path)
        selected = self.config["selected_features"] or []
        if WORDS in selected:
            self._add_words()
        for name in selected:
            if name not in self.field2type or self.field2source[name] != FeatureSource.ITEM:
                raise UserError(
                    f"selected_features names {name}, which is no column of {self.location.stem}.item: name its "
                    f"columns, or {WORDS} for the words of the texts"
                )
            if self.field2type[name] == FeatureType.FLOAT_SEQ:
                raise UserError(f"selected_features names {name}, a list of numbers, which no model reads: remove it")
            if self.field2type[name] == FeatureType.FLOAT and name not in self.config["numerical_features"]:
                raise UserError(
                    f"selected_features names {name}, a column of numbers: name it in numerical_features as well"
                )

    def _get_load_and_unload_col(self, source: FeatureSource) -> tuple[set[str] | None, set[str] | None]:
        """Return the columns to load, those of ``selected_features`` among them, and those not to load."""
        load, unload = super()._get_load_and_unload_col(source)
        selected = set(self.config["selected_features"] or ()) - {WORDS}
        if source == FeatureSource.ITEM and load is not None and selected:
            load = load | selected | {self.iid_field}
        return load, unload

    def _load_feat(self, filepath: str, source: FeatureSource) -> pd.DataFrame | None:
        """Read one atomic file; of items, columns of sequences as well."""
        frame = super()._load_feat(filepath, source)
        if frame is None or source != FeatureSource.ITEM:
            return frame
        load, unload = self._get_load_and_unload_col(source)

        def sequences(types: dict[str, str]) -> list[str]:
            columns = types.keys() if load is None else load
            return [self.iid_field, *(name for name in types if name in columns and types[name].endswith("_seq"))]

        found = read_atomic(filepath, sequences, *FileFormat.of(self.config))
        for name in (name for name in found.columns if name not in (self.iid_field, *(unload or ()))):
            kind = FeatureType(found.attrs["types"][name])
            numbers = kind == FeatureType.FLOAT_SEQ
            most = (self.config["seq_len"] or {}).get(name)
            values = [text.split(self.config["seq_separator"]) for text in found[name]]
            lists = [[part for part in parts if part][:most] for parts in values]
            arrays = [_numbers(parts, name, filepath) if numbers else np.array(parts) for parts in lists]
            frame[name] = pd.Series(arrays, index=frame.index, dtype=object)
            self._describe(name, kind, max(map(len, lists)))
        return frame

    def _add_words(self) -> None:
        """Add the words of the items' texts as a feature."""
        texts = item_texts(self.location, self.config["text_fields"], ItemFileFormat.of(self.config)).texts
        check_any_text(list(texts.values()), self.config["dataset"], "text_fields")
        words = [text.lower().split()[:MOST_WORDS] for text in texts.values()]
        frame = pd.DataFrame({self.iid_field: list(texts), WORDS: words})
        others = self.item_feat
        self.item_feat = frame if others is None else others.merge(frame, on=self.iid_field, how="outer")
        self._describe(WORDS, FeatureType.TOKEN_SEQ, max(map(len, words)))

    def _describe(self, name: str, kind: FeatureType, length: int) -> None:
        """Tell RecBole of a column of items."""
        self.field2type[name], self.field2source[name] = kind, FeatureSource.ITEM
        self.field2seqlen[name] = length


def _numbers(parts: list[str], name: str, path: str) -> np.ndarray:
    """Return the numbers of a list; raise UserError if one is none."""
    try:
        return np.array([float(part) for part in parts])
    except ValueError:
        raise UserError(
            f"{path}: column {name} has {' '.join(parts)!r}, which are not all numbers: correct it"
        ) from None


class SequenceDatasetWithFeatures(ItemFeatures, SequenceDataset):
    """The plugin's sequential dataset, with features of items."""


class LiteralSequentialDatasetWithFeatures(ItemFeatures, LiteralSequentialDataset):
    """RecBole's sequential dataset, with features of items."""


class LiteralDIENDataset(LiteralSequentialDatasetWithFeatures, DIENDataset):
    """RecBole's dataset of DIEN, which draws a negative for each event of a history."""

    def _part(self, rows: PartRows) -> LiteralSequentialDataset:
        """Refuse a split that is given event by event, for whose rows RecBole draws no negatives."""
        raise UserError("DIEN cannot be trained on a split by files or by time: split by LS, or take DIN")
