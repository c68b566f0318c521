"""RecBole's sequential dataset over flat sequences: rows are views, histories are built batch by batch."""

import numpy as np
import torch
from recbole.data.dataset import SequentialDataset
from recbole.data.interaction import Interaction
from recbole.utils import FeatureSource, FeatureType

from recbole_idp.data.atomic import read_atomic
from recbole_idp.data.catalog import locate
from recbole_idp.data.few_shot import few_shot
from recbole_idp.data.sequences import Sequences, Targets
from recbole_idp.derived_config import data_root
from recbole_idp.errors import UserError

SEQUENCE_END = "sequence_end"
SEQUENCE_START = "sequence_start"


class SequenceDataset(SequentialDataset):
    """A :class:`~recbole.data.dataset.SequentialDataset` that stores each event once.

    RecBole turns a user of n events into n - 1 rows, each padded to ``MAX_ITEM_LIST_LENGTH``, in a Python loop. Here a
    row is two indices into :attr:`sequences`; its history is gathered when a batch asks for it. Filters, splits and
    field names remain RecBole's. The dataset is found by :func:`~recbole_idp.data.catalog.locate`, and files are read
    literally, without quoting.

    Attributes:
        location (DatasetLocation): Where the atomic files lie.
        sequences (Sequences): All events, user after user; there after ``build()``.
    """

    def _load_data(self, token, dataset_path):
        self.location = locate(token, data_root(self.config))
        super()._load_data(self.location.stem, str(self.location.folder))

    def _load_feat(self, filepath, source):
        load_columns, unload_columns = self._get_load_and_unload_col(source)
        if load_columns == set():
            return None
        frame = read_atomic(filepath, load_columns, self.config["field_separator"], self.config["encoding"] or "utf-8")
        types = frame.attrs["types"]
        # Sequence columns are texts; they are read as they are by recbole_idp.data.item_text.
        kept = [
            name for name in frame.columns if not types[name].endswith("_seq") and name not in (unload_columns or ())
        ]
        for name in kept:
            self.field2source[name] = source
            self.field2type[name] = FeatureType(types[name])
            self.field2seqlen[name] = 1
            if types[name] == "float":
                self.field2bucketnum[name] = 2
        if source == FeatureSource.INTERACTION:
            self._check_columns(filepath, types)
        return frame[kept].copy() if kept else None

    def _check_columns(self, path, types):
        """Raises where a column that makes a sequence is missing or of another type."""
        for name, kind in ((self.uid_field, "token"), (self.iid_field, "token"), (self.time_field, "float")):
            if name not in types:
                raise UserError(f"{path} has no column {name}:{kind}, which every event needs: add it")
            if types[name] != kind:
                raise UserError(f"{path}, line 1: column {name} is of type {types[name]}: write it as {name}:{kind}")

    def _data_filtering(self):
        for field in self.config["val_interval"] or {}:
            if field not in self.field2type:
                columns = ", ".join(self.field2type)
                raise UserError(
                    f"val_interval names {field}, which is no loaded column of {self.config['dataset']} ({columns}): "
                    "add it to load_col, or correct the name"
                )
        try:
            super()._data_filtering()
        except ValueError as error:
            # RecBole's only word for it; the interval keys are checked where they are read.
            if "empty" not in str(error):
                raise
            filters = "user_inter_num_interval, item_inter_num_interval or val_interval"
            raise UserError(f"nothing is left of {self.config['dataset']} after filtering: widen {filters}") from error

    def build(self):
        """Splits the dataset as RecBole does, and keeps the training targets of ``train_users_share`` of the users.

        Returns:
            list[SequenceDataset]: For training, validation and test.

        Raises:
            UserError: Nothing is left to train on, or nothing to test.
        """
        parts = super().build()
        if len(parts[0]) == 0 or len(parts[2]) == 0:
            name = self.config["dataset"]
            raise UserError(
                f"{name} has no user of three interactions or more, so that nothing can be trained and tested on it: "
                "add interactions, or loosen the filters"
            )
        parts[0] = few_shot(parts[0], self.config["train_users_share"], self.config["train_users_seed"])
        return parts

    def _change_feat_format(self):
        # RecBole turns times into float32, in which seconds since 1970 are told apart by the minute only. Its own
        # sorting is stable, so that what is sorted here stays sorted.
        self.inter_feat = self.inter_feat.sort_values(self.time_field, kind="stable", ignore_index=True)
        super()._change_feat_format()

    def data_augmentation(self):
        """Replaces RecBole's padded copies by two indices a row: where the user's events start, and the target."""
        self.sort(by=[self.uid_field, self.time_field], ascending=True)
        users = self.inter_feat[self.uid_field].numpy()
        self.sequences = Sequences.from_events(users, self.inter_feat[self.iid_field].numpy())
        first = np.r_[True, users[1:] != users[:-1]] if len(users) else np.zeros(0, dtype=bool)
        ends = torch.from_numpy(np.flatnonzero(~first))
        starts = self.sequences.offsets[torch.from_numpy(users[ends.numpy()])]
        self.set_field_property(self.item_list_length_field, FeatureType.TOKEN, FeatureSource.INTERACTION, 1)
        item_list = self.iid_field + self.config["LIST_SUFFIX"]
        self.item_id_list_field = item_list
        self.set_field_property(item_list, FeatureType.TOKEN_SEQ, FeatureSource.INTERACTION, self.max_item_list_len)
        rows = self.inter_feat[ends]
        rows.update(
            Interaction(
                {
                    SEQUENCE_START: starts,
                    SEQUENCE_END: ends,
                    self.item_list_length_field: (ends - starts).clamp(max=self.max_item_list_len),
                }
            )
        )
        self.inter_feat = rows

    def targets(self):
        """Returns the rows of this (split) dataset as :class:`Targets`."""
        return Targets(self.sequences, self.inter_feat[SEQUENCE_START], self.inter_feat[SEQUENCE_END])

    def user_tokens(self):
        """Returns the id of each row's user, in the order of the rows; length R."""
        return self.field2id_token[self.uid_field][self.inter_feat[self.uid_field].numpy()].tolist()

    def __getitem__(self, index, join=True):
        if np.ndim(index) == 0 and not isinstance(index, slice):
            index = [int(index)]
        rows = super().__getitem__(index, join)
        if SEQUENCE_END not in rows.interaction:
            return rows
        targets = Targets(self.sequences, rows[SEQUENCE_START], rows[SEQUENCE_END])
        items, _ = targets.histories(torch.arange(len(rows)), self.max_item_list_len)
        # RecBole joins rows that were asked for apart, so that all have to be of one width.
        items = torch.nn.functional.pad(items, (0, self.max_item_list_len - items.shape[1]))
        rows.update(Interaction({self.item_id_list_field: items}))
        return rows

    def item_tokens(self):
        """Returns the item tokens in the order of their numbers; number 0 is RecBole's padding token; length N."""
        return list(self.field2id_token[self.iid_field])
