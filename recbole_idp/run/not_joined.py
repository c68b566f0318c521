"""The same model without the join: what each trial is trained on, and tested against the same targets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from recbole.data import data_preparation

from recbole_idp.config.derive import derive
from recbole_idp.data.keys import joined_sources
from recbole_idp.recbole_models.choose import make_dataset

if TYPE_CHECKING:
    from recbole.config import Config

    from recbole_idp.data.dataset import SequenceDataset

COMPARED = ("next_item", "profile")
"""The tasks that are defined without events in other domains."""


class Side(NamedTuple):
    """What trials are trained on: the target with its users joined, or without.

    Attributes:
        config: The configuration.
        loaders: RecBole's loaders for training, validation and test.
        start: Result of the trainer's ``prepare_start``.
    """

    config: Config
    loaders: tuple[Any, Any, Any]
    start: Any = None


def without_join(config: Config) -> Config:
    """Return a copy of a configuration whose target is joined with no domain, and which leaves no folder to use."""
    groups = joined_sources(config["dataset"], config["shared_users"])
    return derive(config, shared_users=groups, keep_trained=False)


def read_not_joined(config: Config, test: SequenceDataset) -> Side | None:
    """Read the target without the join, where trials are to be compared with it.

    Args:
        config: The configuration of the joined side, with ``compare_join``.
        test: Its test part.

    Returns:
        The other side, without a start. None where no user is joined, the task is not defined without the join, or no
        comparison is wanted.
    """
    if test.joined is None or not config["compare_join"] or (config["predicts"] or "next_item") not in COMPARED:
        return None
    alone = without_join(config)
    train, valid, tested = data_preparation(alone, make_dataset(alone))
    return Side(alone, (train, valid, in_order_of(test, tested)))


def in_order_of(test: SequenceDataset, loader: Any) -> Any:
    """Return a loader of the same targets as another test part, in its order: RecBole's splits have one of their own.

    Raises:
        ValueError: The targets are others.
    """
    theirs = loader.dataset
    if len(theirs) == len(test):
        row_of = np.empty(len(test), dtype=np.int64)
        row_of[_by_place(test)] = _by_place(theirs)
        theirs = theirs.copy(theirs.inter_feat[torch.from_numpy(row_of)])
    check_same_targets(test, theirs)
    return type(loader)(loader.config, theirs, loader._sampler, shuffle=False)


def _by_place(test: SequenceDataset) -> np.ndarray:
    """Return the rows in the order of users, those of a user by the number of the target's events before."""
    return np.lexsort((test.history_lengths(), test.inter_feat[test.uid_field].numpy()))


def check_same_targets(ours: SequenceDataset, theirs: SequenceDataset) -> None:
    """Check that two test parts have the same targets in the same order, among the same candidates.

    Raises:
        ValueError: They do not; their ranks cannot be paired.
    """
    for what in ("users", "targets", "candidates"):
        if _tested(ours)[what] != _tested(theirs)[what]:
            raise ValueError(f"the test parts with and without the join have other {what}")


def _tested(test: SequenceDataset) -> dict[str, list[Any]]:
    """Return user and number of each target, and the ids of the candidates."""
    ids = test.field2id_token[test.iid_field]
    return {"users": list(test.user_tokens()), "targets": test.targets().items.tolist(), "candidates": ids.tolist()}
