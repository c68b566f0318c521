"""The data of PRECISE's universal training: the target's events before those held out, and all of the sources."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from recbole_idp.data.domains import join_domains, read_domain, source_locations
from recbole_idp.models.precise.targeted_data import targeted_config

if TYPE_CHECKING:
    from collections.abc import Sequence

    from recbole.config import Config

    from recbole_idp.data.dataset import SequenceDataset
    from recbole_idp.data.domains import DomainEvents, Domains


def load_universal(config: Config, dataset: SequenceDataset) -> Domains:
    """Join the target's events and those of the source domains (arXiv 2412.06308, universal sequences).

    Of the target every event counts, also those that ``targeted_interval`` excludes, up to each user's last event that
    may be trained on. Events for validation and test are excluded, with all that the user did after them in the target,
    and so are users without any training event. The sources are whole.

    Args:
        config: RecBole's configuration with ``source_domains`` and ``shared_users``.
        dataset: The training part of the target.

    Returns:
        The target first; its items 1 to N - 1 have the numbers that they have in ``dataset``, then follow its other
        items, and those of the sources.

    Raises:
        UserError: A source is wrong, or there is nothing to train on.
    """
    sources = source_locations(config, with_target=True)
    target = _renumbered(read_domain(config, dataset.location), dataset.item_tokens())
    order = np.lexsort((target.times, target.users))
    target = _picked(target, order)
    before = _before_position if targeted_config(config) is config else _before_held_out
    kept = before(target, dataset)
    parts = [_picked(target, np.flatnonzero(kept)), *(read_domain(config, location) for location in sources)]
    return join_domains(parts, config["shared_users"])


def _renumbered(events: DomainEvents, first_tokens: Sequence[str]) -> DomainEvents:
    """Return events whose items have the numbers of ``first_tokens``, others after them."""
    number_of = {token: number for number, token in enumerate(first_tokens)}
    for token in events.item_tokens[1:]:
        number_of.setdefault(token, len(number_of))
    numbers = np.array([0, *(number_of[token] for token in events.item_tokens[1:])])
    return events._replace(item_tokens=list(number_of), items=numbers[events.items])


def _picked(events: DomainEvents, index: np.ndarray) -> DomainEvents:
    """Return some of the events."""
    return events._replace(users=events.users[index], items=events.items[index], times=events.times[index])


def _trained_lengths(dataset: SequenceDataset) -> np.ndarray:
    """Return how many of each user's first events may be trained on; shape [U]."""
    targets = dataset.targets()
    users = torch.bucketize(targets.ends, dataset.sequences.offsets, right=True) - 1
    lengths = torch.zeros(len(dataset.sequences.offsets) - 1, dtype=torch.long)
    seen = targets.ends + 1 - dataset.sequences.offsets[users]
    return lengths.scatter_reduce(0, users, seen, "amax").numpy()


def _by_token(values: np.ndarray, dataset: SequenceDataset, user_tokens: Sequence[str]) -> np.ndarray:
    """Return a value of each of the dataset's users in the order of other user numbers, 0 for missing users."""
    tokens = dataset.field2id_token[dataset.uid_field]
    value_of = dict(zip(tokens, [*values, *[0] * (len(tokens) - len(values))], strict=True))
    return np.array([value_of.get(token, 0) for token in user_tokens])


def _before_position(events: DomainEvents, dataset: SequenceDataset) -> np.ndarray:
    """Find the events that may be trained on, in a dataset with the same events in the same order; shape [E]."""
    lengths = _by_token(_trained_lengths(dataset), dataset, events.user_tokens)
    return _positions(events.users) < lengths[events.users]


def _before_held_out(events: DomainEvents, dataset: SequenceDataset) -> np.ndarray:
    """Find the events before a user's first held-out one, in a dataset with some of the events; shape [E].

    An event is identified by user and item: where the same pair occurs before, more is excluded than necessary.
    """
    lengths, sequences = _trained_lengths(dataset), dataset.sequences
    own = np.repeat(np.arange(len(lengths)), sequences.lengths().numpy())
    held = _positions(own) >= lengths[own]
    tokens = dataset.field2id_token[dataset.uid_field]
    number_of = {token: number for number, token in enumerate(events.user_tokens)}
    number = np.array([number_of[token] for token in tokens[: len(lengths)]])
    pairs = number[own[held]] * len(events.item_tokens) + sequences.items.numpy()[held]
    is_held = np.isin(events.users * len(events.item_tokens) + events.items, pairs)
    first = np.full(len(events.user_tokens), len(events.users))
    places = np.flatnonzero(is_held)
    np.minimum.at(first, events.users[places], places)
    trained = _by_token(lengths, dataset, events.user_tokens) > 0
    return (np.arange(len(events.users)) < first[events.users]) & trained[events.users]


def _positions(users: np.ndarray) -> np.ndarray:
    """Return the position of each event among those of its user, which stand together; shape [E]."""
    starts = np.flatnonzero(np.r_[True, users[1:] != users[:-1]]) if len(users) else np.zeros(0, dtype=int)
    lengths = np.diff(np.r_[starts, len(users)])
    return np.arange(len(users)) - np.repeat(starts, lengths)
