"""The data of PRECISE's universal training: the target's events before those held out, and all of the sources."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from recbole_idp.config.derive import derive
from recbole_idp.data.dataset import SequenceDataset
from recbole_idp.data.domains import DomainEvents, join_domains, source_events
from recbole_idp.data.splits import TRAIN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from recbole.config import Config

    from recbole_idp.data.domains import Domains


def load_universal(config: Config, dataset: SequenceDataset) -> Domains:
    """Join the target's events and those of the source domains (arXiv 2412.06308, universal sequences).

    Of the target every event counts, also those that ``targeted_interval`` excludes, before each user's first one that
    is held out. Events for validation and test are excluded, with all that the user did after them in the target,
    and so are users without any training event. Of the sources ``source_share`` counts.

    Args:
        config: RecBole's configuration with ``source_domains`` and ``shared_users``.
        dataset: The training part of the target.

    Returns:
        The target first; its items 1 to N - 1 have the numbers that they have in ``dataset``, then follow its other
        items, and those of the sources.

    Raises:
        UserError: A source is wrong, or there is nothing to train on.
    """
    sources = source_events(config, with_target=True)
    target, rows, held_out = _all_events(SequenceDataset(derive(config, dataset=dataset.location.name)))
    target = _renumbered(target, dataset.item_tokens())
    kept = _trained_on(target, rows, held_out, dataset)
    parts = [_picked(target, np.flatnonzero(kept)), *sources]
    return join_domains(parts, config["shared_users"])


def _all_events(target: SequenceDataset) -> tuple[DomainEvents, np.ndarray, np.ndarray]:
    """Return all events of the target, user after user, those of each user in the order of time.

    Returns:
        The events; the row of each in its file, shape [E]; and whether it is held out by its file, shape [E].
    """
    events, tokens = target.read_events().by_user(), target.field2id_token
    columns = events.users, events.items, events.times
    found = DomainEvents(target.location, tokens[target.uid_field], tokens[target.iid_field], *columns)
    by_file = events.parts != TRAIN if target.fixed is not None else np.zeros(len(events.rows), dtype=bool)
    return found, events.rows, by_file


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


def _trained_on(target: DomainEvents, rows: np.ndarray, held_out: np.ndarray, dataset: SequenceDataset) -> np.ndarray:
    """Find the events that may be trained on; shape [E].

    These are the events before a user's first one that is validated or tested on. Time and row tell which these are, as
    the item may occur before in the user's history. Of a fixed split they are those of the training file.

    Args:
        target: All events, user after user.
        rows: Row of each event in its file; shape [E].
        held_out: Whether an event is held out by its file; shape [E].
        dataset: The training part of the target, which may have some of the events only.
    """
    split = dataset.events
    kept = ~held_out & np.isin(target.user_tokens, dataset.user_tokens())[target.users]
    if dataset.fixed is not None:
        return kept
    number_of = {token: number for number, token in enumerate(target.user_tokens)}
    number = np.array([number_of.get(token, 0) for token in dataset.field2id_token[dataset.uid_field]])
    later = np.flatnonzero(split.parts != TRAIN)
    users, first = np.unique(split.users[later], return_index=True)
    end_times, end_rows = np.full((2, len(number_of)), np.inf)
    end_times[number[users]], end_rows[number[users]] = split.times[later[first]], split.rows[later[first]]
    kept &= _before(target.times, rows, end_times[target.users], end_rows[target.users])
    if dataset.split_by_events():
        # The split cuts time: what follows the last training event has not happened yet.
        last = np.flatnonzero(split.parts == TRAIN)[-1]
        kept &= ~_before(split.times[last], split.rows[last], target.times, rows)
    return kept


def _before(times: np.ndarray, rows: np.ndarray, other_times: np.ndarray, other_rows: np.ndarray) -> np.ndarray:
    """Return whether events come before others, in the order of time, and of the file within one time."""
    return (times < other_times) | ((times == other_times) & (rows < other_rows))
