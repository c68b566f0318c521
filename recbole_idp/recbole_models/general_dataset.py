"""RecBole's dataset for models that ignore the order of events, split at the same events as the sequential one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from recbole.data.dataset import Dataset
from recbole.data.interaction import Interaction

from recbole_idp.data.few_shot import few_shot
from recbole_idp.data.reading import LiteralReading

if TYPE_CHECKING:
    from recbole_idp.data.splits import PartRows

HISTORY_LENGTH = "history_length"


class GeneralDataset(LiteralReading, Dataset):
    """A RecBole :class:`~recbole.data.dataset.Dataset` that is validated and tested on targets of sequential models.

    A user's first event is history, and no target: RecBole's general split would test users with two events. The
    training part has all training events.
    """

    def build(self) -> list[GeneralDataset]:
        """Split the dataset as it is split for sequential models.

        Returns:
            The parts for training, validation and test.
        """
        self._change_feat_format()
        train, *others = self.part_rows()
        kept = train.fresh
        columns = {self.uid_field: train.event_users()[kept], self.iid_field: train.sequences.items[kept]}
        trained = few_shot(
            self.copy(Interaction(columns)), self.config["train_users_share"], self.config["train_users_seed"]
        )
        parts = [trained, *(self._part(rows) for rows in others)]
        self.check_labels(parts)
        return parts

    def _part(self, rows: PartRows) -> GeneralDataset:
        """Return the part for validation or test."""
        columns = {self.uid_field: rows.users(), self.iid_field: rows.targets().items}
        columns |= {HISTORY_LENGTH: rows.ends - rows.starts, **self.labels_of(rows)}
        return self.copy(Interaction(columns))

    def item_counts(self) -> np.ndarray:
        """Count the events of each item in this part; int64, shape [N]."""
        return np.bincount(self.inter_feat[self.iid_field].numpy(), minlength=self.item_num)

    def history_lengths(self) -> np.ndarray:
        """Return the number of events before the target of each row; int64, shape [R]."""
        return self.inter_feat[HISTORY_LENGTH].numpy()
