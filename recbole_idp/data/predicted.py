"""What is predicted, and from what: the rows of each task on a target.

next_item   an item, from the user's events before it: the target's and, where users are joined, those in other domains
cold_item   an item, from the user's events in other domains before it alone (PeterRec and CLUE, cold-start)
profile     a column of the ``.user`` file, from all of the user's events (PeterRec and CLUE, user profiles)
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from recbole.data.interaction import Interaction

from recbole_idp.config.derive import data_root, derive
from recbole_idp.data.atomic import FileFormat
from recbole_idp.data.catalog import locate
from recbole_idp.data.dataset import OWN_LENGTH, SequenceDataset
from recbole_idp.data.domains import read_domain
from recbole_idp.data.few_shot import training_users
from recbole_idp.data.history_items import JoinedDomains, OtherEvents, join_with_target
from recbole_idp.data.item_names import HistoryItem
from recbole_idp.data.keys import check_cold_items, joined_with
from recbole_idp.data.mixed_rows import count_unused, mixed_rows, own_lengths, whole_histories, without_own_history
from recbole_idp.data.sequences import Sequences, positions
from recbole_idp.data.splits import TEST, TRAIN, VALID, PartRows, part_rows
from recbole_idp.data.user_profiles import Profiles, read_profiles
from recbole_idp.errors import UserError

_TRAINED, _VALIDATED = 0.8, 0.1


class Predicted(NamedTuple):
    """What is predicted on a target.

    Attributes:
        parts: The rows for training, validation and test.
        own_lengths: Number of the target's events in the history of each row of each part; int64, shapes [R].
        history_items: Items that are input only.
        joined: What the users did in other domains; None: nothing is joined.
        candidates: The ids of what is predicted, padding first; None: the target's items.
    """

    parts: Sequence[PartRows]
    own_lengths: Sequence[torch.Tensor]
    history_items: Sequence[HistoryItem]
    joined: JoinedDomains | None
    candidates: np.ndarray | None


def prediction_of(task: str, is_joined: bool) -> Callable[[SequenceDataset], Predicted] | None:
    """Return the function that makes the rows of a task.

    Args:
        task: A value of ``predicts``.
        is_joined: Whether the target is joined with another domain.

    Returns:
        The function; None for the next item from the target's own histories, whose rows are RecBole's.
    """
    return None if task == "next_item" and not is_joined else _PREDICTIONS[task]


def _next_item(dataset: SequenceDataset) -> Predicted:
    """Make the rows of mixed histories: the targets are those of the target's own histories."""
    joined = _joined(dataset)
    parts = [_mixed(rows, joined.events, dataset.item_num) for rows in dataset.part_rows()]
    return _of_items(parts, dataset, _counted(joined, parts))


def _cold_item(dataset: SequenceDataset) -> Predicted:
    """Make the rows of cold-start: histories without the target's own events. A user's first event is a target, too."""
    joined, length = _joined(dataset), dataset.max_item_list_len
    all_rows = [_mixed(rows, joined.events, dataset.item_num) for rows in part_rows(dataset.events, first_target=0)]
    parts = [without_own_history(rows, dataset.item_num, length) for rows in all_rows]
    if not all(len(parts[part].ends) for part in (TRAIN, TEST)):
        names = ", ".join(domain.name for domain in joined.domains)
        raise UserError(
            f"no event of {dataset.config['dataset']} that is trained or tested on has an earlier one of its user in "
            f"{names}: nothing can be predicted from there"
        )
    return _of_items(parts, dataset, _counted(joined, all_rows))


def _of_items(parts: Sequence[PartRows], dataset: SequenceDataset, joined: JoinedDomains) -> Predicted:
    """Return rows that predict items."""
    lengths = [own_lengths(rows, dataset.item_num) for rows in parts]
    return Predicted(parts, lengths, joined.items, joined, None)


def _profile(dataset: SequenceDataset) -> Predicted:
    """Make the rows of a profile: a user's class, from all events; 80 % of the users are trained on, 10 % tested."""
    config = dataset.config
    profiles = read_profiles(dataset.location, config["profile_field"], dataset.uid_field, FileFormat.of(config))
    joined = _joined(dataset) if joined_with(config["dataset"], config["shared_users"]) else None
    tokens = dataset.item_tokens()[1:]
    own = [HistoryItem(config["dataset"], token) for token in tokens]
    n_candidates = len(profiles.classes) + 1
    labels, part_of = _labelled(dataset, profiles)
    events = dataset.events.by_user()
    parts = []
    for part in (TRAIN, VALID, TEST):
        users_of_part = np.flatnonzero(part_of == part)
        kept = np.isin(events.users, users_of_part)
        users_of_part = np.unique(events.users[kept])
        # The class comes after all events.
        users = np.r_[events.users[kept], users_of_part]
        times = np.r_[events.times[kept], np.full(len(users_of_part), np.inf)]
        items = np.r_[events.items[kept] - 1 + n_candidates, labels[users_of_part]]
        order = np.argsort(users, kind="stable")
        rows = _class_rows(users[order], items[order], times[order])
        parts.append(rows if joined is None else _mixed(rows, joined.events, n_candidates + len(own)))
    if joined is not None:
        joined = _counted(joined, parts)
    lengths = [own_lengths(rows, n_candidates + len(own)) for rows in parts]
    items = [*own, *(joined.items if joined else ())]
    return Predicted(parts, lengths, items, joined, np.array(["[PAD]", *profiles.classes]))


def _labelled(dataset: SequenceDataset, profiles: Profiles) -> tuple[np.ndarray, np.ndarray]:
    """Return the class of each user, from 1, and the part that the user is in, -1 for users without a class.

    The parts depend on the users' ids alone, as few-shot's choice of users does.
    """
    numbers, config = dataset.field2token_id[dataset.uid_field], dataset.config
    labels = np.zeros(dataset.user_num, dtype=np.int64)
    known = [(token, label) for token, label in zip(profiles.users, profiles.labels, strict=True) if label >= 0]
    for token, label in known:
        if token in numbers:
            labels[numbers[token]] = label + 1
    tokens = dataset.field2id_token[dataset.uid_field][np.flatnonzero(labels)].tolist()
    part_of = np.full(dataset.user_num, -1)
    seed = config["train_users_seed"]
    shuffled = training_users(tokens, 1.0, seed) if tokens else []
    first, second = (round(share * len(shuffled)) for share in (_TRAINED, _TRAINED + _VALIDATED))
    for part, some in ((TRAIN, shuffled[:first]), (VALID, shuffled[first:second]), (TEST, shuffled[second:])):
        part_of[[numbers[token] for token in some]] = part
    missing = [name for name, part in (("training", TRAIN), ("test", TEST)) if not (part_of == part).any()]
    trained = np.unique(labels[part_of == TRAIN])
    if missing or len(trained) < 2:
        why = f"no user for {missing[0]}" if missing else "users of one class alone for training"
        raise UserError(
            f"{config['profile_field']} of {config['dataset']} leaves {why}: choose another column, or relax filters"
        )
    return labels, part_of


def _class_rows(users: np.ndarray, items: np.ndarray, times: np.ndarray) -> PartRows:
    """Return rows whose target is the last event of each user; users ascend."""
    first = np.flatnonzero(positions(users) == 0)
    offsets = torch.from_numpy(np.r_[first, len(users)])
    fresh = torch.ones(len(users), dtype=torch.bool)
    sequences = Sequences(torch.from_numpy(items), offsets)
    return PartRows(sequences, torch.from_numpy(users[first]), offsets[:-1], offsets[1:] - 1, fresh, None, times)


def _joined(dataset: SequenceDataset) -> JoinedDomains:
    """Read the domains that are joined with a target.

    Raises:
        UserError: One cannot be read, no user is joined, or the events have no common clock.
    """
    config, events = dataset.config, dataset.events
    if dataset.fixed is not None and dataset.fixed.given is not None:
        raise UserError(
            f"the files of benchmark_filename hold histories without times, and shared_users joins {config['dataset']} "
            "with other domains by time: give plain rows with times"
        )
    names = joined_with(config["dataset"], config["shared_users"])
    locations = [locate(name, data_root(config)) for name in names]
    # Which events lie before a target is known later: all of them are read.
    others = (read_domain(derive(config, latest_events=None), location) for location in locations)
    users = dataset.field2token_id[dataset.uid_field]
    return join_with_target(locate(config["dataset"], data_root(config)), others, users, events.users, events.times)


def _mixed(rows: PartRows, events: OtherEvents, n_candidates: int) -> PartRows:
    """Return rows with mixed histories; an empty part stays as it is."""
    return mixed_rows(rows, events, n_candidates) if len(rows.ends) else rows


def _counted(joined: JoinedDomains, parts: Sequence[PartRows]) -> JoinedDomains:
    """Return what users did in other domains, with the number of events that no history of the parts holds."""
    return dataclasses.replace(joined, unused=count_unused(parts, joined.events))


_PREDICTIONS = {"next_item": _next_item, "cold_item": _cold_item, "profile": _profile}


class PredictedDataset(SequenceDataset):
    """A :class:`SequenceDataset` whose rows are those of the task that ``predicts`` and ``shared_users`` ask for."""

    field2id_token: dict[str, np.ndarray]
    field2token_id: dict[str, dict[str, int]]

    def user_histories(self) -> Sequences:
        """Return all events of each user, mixed with those in other domains where users are joined."""
        if self.joined is None:
            return super().user_histories()
        return whole_histories(self.events, self.joined.events, self.item_num)

    def _parts(self) -> list[SequenceDataset]:
        """Return the parts for training, validation and test."""
        others = joined_with(self.config["dataset"], self.config["shared_users"])
        check_cold_items(self.config["predicts"], self.config["dataset"], others)
        predict = prediction_of(self.config["predicts"] or "next_item", bool(others))
        if predict is None:
            return super()._parts()
        self._change_feat_format()
        found = predict(self)
        self.joined, self.history_items = found.joined, found.history_items
        parts = []
        for rows, lengths in zip(found.parts, found.own_lengths, strict=True):
            part = self._part(rows)
            part.inter_feat.update(Interaction({OWN_LENGTH: lengths}))
            if found.candidates is not None:
                # What is predicted takes the place of the items: its numbers are theirs, and so is its field.
                numbers = {token: number for number, token in enumerate(found.candidates)}
                part.field2id_token = {**self.field2id_token, self.iid_field: found.candidates}
                part.field2token_id = {**self.field2token_id, self.iid_field: numbers}
            parts.append(part)
        return parts
