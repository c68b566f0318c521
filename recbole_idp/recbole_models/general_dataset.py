"""RecBole's dataset for models that ignore the order of events, split at the same events as the sequential one."""

import numpy as np
from recbole.data.dataset import Dataset
from recbole.data.interaction import cat_interactions

from recbole_idp.data.few_shot import few_shot
from recbole_idp.data.reading import LiteralReading


class GeneralDataset(LiteralReading, Dataset):
    """A RecBole :class:`~recbole.data.dataset.Dataset` whose validation and test users are those of sequential models.

    A sequential model is tested on users with three events or more, and validated on those with four: a user's first
    event is history, and one is trained on. RecBole's general split would test users with two.

    Attributes:
        events_before: In the parts for validation and test, each user's earlier events; by user number.
    """

    events_before: np.ndarray

    def build(self) -> "list[GeneralDataset]":
        """Split the dataset as RecBole does for sequential models.

        Returns:
            The parts for training, validation and test.
        """
        train, valid, test = super().build()
        users = [part.inter_feat[self.uid_field].numpy() for part in (train, valid, test)]
        counts = [np.bincount(part, minlength=self.user_num) for part in users]
        short = counts[0] < 2
        moved = [short[users[1]], (short & (counts[1] == 0))[users[2]]]
        if any(rows.any() for rows in moved):
            early = [part.inter_feat[rows] for part, rows in zip((valid, test), moved, strict=True) if rows.any()]
            train = train.copy(cat_interactions([train.inter_feat, *early]))
            valid, test = (part.copy(part.inter_feat[~rows]) for part, rows in zip((valid, test), moved, strict=True))
        counts = [
            np.bincount(part.inter_feat[self.uid_field].numpy(), minlength=self.user_num) for part in (train, valid)
        ]
        self.check_labels([train, valid, test])
        valid.events_before, test.events_before = counts[0], counts[0] + counts[1]
        return [few_shot(train, self.config["train_users_share"], self.config["train_users_seed"]), valid, test]

    def item_counts(self) -> np.ndarray:
        """Count the events of each item in this part; int64, shape [N]."""
        return np.bincount(self.inter_feat[self.iid_field].numpy(), minlength=self.item_num)

    def history_lengths(self) -> np.ndarray:
        """Return the number of events before the target of each row; int64, shape [R]."""
        return self.events_before[self.inter_feat[self.uid_field].numpy()]
