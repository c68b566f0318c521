"""RecBole's sequential dataset over flat sequences: rows are views, and histories are built batch by batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from recbole.data.dataset import SequentialDataset
from recbole.data.interaction import Interaction
from recbole.utils import FeatureSource, FeatureType

from recbole_idp.data.few_shot import few_shot
from recbole_idp.data.reading import LiteralReading
from recbole_idp.data.sequences import Sequences, Targets
from recbole_idp.data.splits import PartRows
from recbole_idp.data.vectorised import taken
from recbole_idp.errors import UserError

if TYPE_CHECKING:
    from recbole_idp.data.item_names import HistoryItem

SEQUENCE_END = "sequence_end"
SEQUENCE_START = "sequence_start"
OWN_LENGTH = "own_length"


class FlatRows:
    """Mixin for sequential datasets whose rows are also known as views into flat sequences.

    Attributes:
        sequences: All events of all parts, user after user; set by ``build()``.
        history_items: Items that are input only; their numbers in histories begin at ``item_num``.
    """

    sequences: Sequences
    inter_feat: Any
    item_num: int
    history_items: Sequence[HistoryItem] = ()
    _rows: PartRows | None = None

    @property
    def n_inputs(self) -> int:
        """The number of items that stand in histories: the candidates, padding included, and history items."""
        return self.item_num + len(self.history_items)

    def _flatten(self, users: np.ndarray, items: np.ndarray) -> Interaction:
        """Set the sequences of events in their order, and return the columns of their rows: each event but the first.

        Args:
            users: User of each event, ascending; shape [E].
            items: Item of each event; shape [E].
        """
        self.sequences = Sequences.from_events(users, items)
        first = np.r_[True, users[1:] != users[:-1]] if len(users) else np.zeros(0, dtype=bool)
        ends = torch.from_numpy(np.flatnonzero(~first))
        starts = self.sequences.offsets[torch.from_numpy(users[ends.numpy()])]
        return Interaction({SEQUENCE_START: starts, SEQUENCE_END: ends})

    def targets(self) -> Targets:
        """Return the rows of this (split) dataset as :class:`Targets`."""
        return Targets(self._own_sequences(), self.inter_feat[SEQUENCE_START], self.inter_feat[SEQUENCE_END])

    def _own_sequences(self) -> Sequences:
        """Return the sequences that the rows of this part are views into."""
        return self.sequences if self._rows is None else self._rows.sequences

    def sequence_users(self) -> torch.Tensor:
        """Return the user of each of the sequences that :meth:`targets` are in; int64, shape [S]."""
        if self._rows is not None:
            return self._rows.owners
        return torch.arange(len(self.sequences.offsets) - 1)

    def user_histories(self) -> Sequences:
        """Return all events of each user, of all parts, as a history may hold them; a sequence for each user number."""
        return self.sequences

    def item_counts(self) -> np.ndarray:
        """Count the events of each item: targets of this part, and the events before them; int64, shape [N]."""
        targets = self.targets()
        counted = targets.covered()
        if self._rows is not None:
            counted &= self._rows.fresh
        return np.bincount(targets.sequences.items[counted].numpy(), minlength=self.item_num)[: self.item_num]

    def history_lengths(self) -> np.ndarray:
        """Return the number of the target's events before the target of each row; int64, shape [R]."""
        if OWN_LENGTH in self.inter_feat:
            return self.inter_feat[OWN_LENGTH].numpy()
        return (self.inter_feat[SEQUENCE_END] - self.inter_feat[SEQUENCE_START]).numpy()


class SequenceDataset(FlatRows, LiteralReading, SequentialDataset):
    """A :class:`~recbole.data.dataset.SequentialDataset` that stores each event once.

    RecBole turns a user of n events into n - 1 rows, each padded to ``MAX_ITEM_LIST_LENGTH``, in a Python loop. Here a
    row is two indices into :attr:`sequences`; its history is gathered when a batch asks for it. Filters, splits and
    field names are RecBole's. Files are read by :class:`~recbole_idp.data.reading.LiteralReading`, which also makes the
    splits that are given event by event.
    """

    def build(self) -> list[SequenceDataset]:
        """Split the dataset, and keep the training targets of ``train_users_share`` of the users.

        Returns:
            The parts for training, validation and test.

        Raises:
            UserError: Nothing is left to train on, or nothing to test.
        """
        parts = self._parts()
        if len(parts[0]) == 0 or len(parts[2]) == 0:
            name = self.config["dataset"]
            raise UserError(
                f"{name} has no user of three interactions or more, so that nothing can be trained and tested on it: "
                "add interactions, or loosen the filters"
            )
        self.check_labels(parts)
        parts[0] = few_shot(parts[0], self.config["train_users_share"], self.config["train_users_seed"])
        return parts

    def _parts(self) -> list[SequenceDataset]:
        """Return the parts for training, validation and test."""
        if self.split_by_events():
            self._change_feat_format()
            return [self._part(rows) for rows in self.part_rows()]
        return super().build()

    def _change_feat_format(self) -> None:
        """Make rows of the events."""
        super()._change_feat_format()
        if self.fixed is not None:
            # RecBole takes the rows of a fixed split as they are.
            self.data_augmentation()

    def _part(self, rows: PartRows) -> SequenceDataset:
        """Return a part of a split that is given event by event."""
        columns = {
            self.uid_field: rows.users(),
            self.iid_field: rows.targets().items,
            SEQUENCE_START: rows.starts,
            SEQUENCE_END: rows.ends,
            self.item_list_length_field: (rows.ends - rows.starts).clamp(max=self.max_item_list_len),
            **self.labels_of(rows),
        }
        part = self.copy(Interaction(columns))
        part._rows = rows
        return part

    def data_augmentation(self) -> None:
        """Replace RecBole's padded copies by two indices a row: the start of the user's events, and the target."""
        self.sort(by=[self.uid_field, self.time_field], ascending=True)
        users = self.inter_feat[self.uid_field].numpy()
        columns = self._flatten(users, self.inter_feat[self.iid_field].numpy())
        starts, ends = columns[SEQUENCE_START], columns[SEQUENCE_END]
        self.set_field_property(self.item_list_length_field, FeatureType.TOKEN, FeatureSource.INTERACTION, 1)
        item_list = self.iid_field + self.config["LIST_SUFFIX"]
        self.item_id_list_field = item_list
        self.set_field_property(item_list, FeatureType.TOKEN_SEQ, FeatureSource.INTERACTION, self.max_item_list_len)
        rows = taken(self.inter_feat, ends)
        columns.update(Interaction({self.item_list_length_field: (ends - starts).clamp(max=self.max_item_list_len)}))
        rows.update(columns)
        self.inter_feat = rows

    def __getitem__(
        self, index: int | slice | Sequence[int] | np.ndarray | torch.Tensor, join: bool = True
    ) -> Interaction:
        """Return rows with their histories, padded to ``MAX_ITEM_LIST_LENGTH``."""
        if np.ndim(index) == 0 and not isinstance(index, slice):  # type: ignore[arg-type]  # a tensor has it too
            index = [int(index)]  # type: ignore[arg-type]  # a single number
        rows = super().__getitem__(index, join)
        if SEQUENCE_END not in rows.interaction:
            return rows
        targets = Targets(self._own_sequences(), rows[SEQUENCE_START], rows[SEQUENCE_END])
        items, _ = targets.histories(torch.arange(len(rows)), self.max_item_list_len)
        # RecBole joins rows of separate calls, so that all need one width.
        items = torch.nn.functional.pad(items, (0, self.max_item_list_len - items.shape[1]))
        rows.update(Interaction({self.item_id_list_field: items}))
        return rows
