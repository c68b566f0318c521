"""Make rows whose histories mix a user's own events with those in other domains, cut strictly before the target.

Ids from the number of candidates on are history items; see :mod:`recbole_idp.data.history_items`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import torch

from recbole_idp.data.sequences import Sequences, positions
from recbole_idp.data.splits import PartRows

if TYPE_CHECKING:
    from recbole_idp.data.history_items import OtherEvents
    from recbole_idp.data.splits import Events


def mixed_rows(rows: PartRows, others: OtherEvents, first_other: int) -> PartRows:
    """Merge other events into the sequences of a part, in the order of time.

    An event in another domain that is not strictly before an own event comes after it, so that it is in no history of
    an event at the same time or earlier.

    Args:
        rows: The part, with the times of its events; each user has one sequence at most.
        others: The events in other domains.
        first_other: Number that the first item of other domains gets in the histories.

    Returns:
        The same targets, with longer histories.
    """
    sequences, times = rows.sequences, rows.times
    if times is None:
        raise ValueError("rows without times cannot be merged")
    n_own, n_sequences = sequences.n_events, len(sequences.offsets) - 1
    owner = rows.owners.numpy()
    sequence_of = np.full(max(owner.max(initial=0), others.users.max(initial=0)) + 1, -1)
    sequence_of[owner] = np.arange(n_sequences)
    number = sequence_of[others.users]
    kept = number >= 0
    own_number = np.repeat(np.arange(n_sequences), sequences.lengths().numpy())
    numbers = np.r_[own_number, number[kept]]
    is_other = np.r_[np.zeros(n_own, dtype=bool), np.ones(int(kept.sum()), dtype=bool)]
    # Stable: own events, and those of another domain, keep their order.
    order = np.lexsort((is_other, np.r_[times, others.times[kept]], numbers))
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    items = np.r_[sequences.items.numpy(), others.items[kept] + first_other][order]
    offsets = torch.from_numpy(np.r_[0, np.cumsum(np.bincount(numbers, minlength=n_sequences))])
    ends = torch.from_numpy(place)[rows.ends]
    starts = offsets[torch.bucketize(rows.ends, sequences.offsets, right=True) - 1]
    fresh = torch.ones(len(order), dtype=torch.bool)
    fresh[torch.from_numpy(place[:n_own])] = rows.fresh
    all_times = np.r_[times, others.times[kept]][order]
    return PartRows(
        Sequences(torch.from_numpy(items), offsets), rows.owners, starts, ends, fresh, rows.events, all_times
    )


def count_unused(parts: Iterable[PartRows], others: OtherEvents) -> int:
    """Count the events in other domains that no history holds: none is strictly before a target of its user.

    Args:
        parts: All parts, with the times of their events; parts without targets are left out of account.
        others: The events in other domains.
    """
    latest = np.full(int(others.users.max(initial=0)) + 1, -np.inf)
    for rows in parts:
        if not len(rows.ends):
            continue
        if rows.times is None:
            raise ValueError("rows without times cannot be compared with other events")
        users, times = rows.users().numpy(), rows.times[rows.ends.numpy()]
        known = users < len(latest)
        np.maximum.at(latest, users[known], times[known])
    return int((others.times >= latest[others.users]).sum())


def whole_histories(events: Events, others: OtherEvents, first_other: int) -> Sequences:
    """Return all events of each user, its own and those in other domains, in the order of :func:`mixed_rows`.

    Args:
        events: The users' own events, of all parts.
        others: The events in other domains.
        first_other: Number that the first item of other domains gets.

    Returns:
        A sequence for each user number.
    """
    ordered = events.by_user()
    first = np.flatnonzero(positions(ordered.users) == 0)
    offsets = torch.from_numpy(np.r_[first, len(ordered.users)])
    none, fresh = torch.zeros(0, dtype=torch.long), torch.ones(len(ordered.users), dtype=torch.bool)
    sequences = Sequences(torch.from_numpy(ordered.items), offsets)
    owners = torch.from_numpy(ordered.users[first])
    rows = mixed_rows(PartRows(sequences, owners, none, none, fresh, None, ordered.times), others, first_other)
    return Sequences.from_events(rows.event_users().numpy(), rows.sequences.items.numpy())


def own_lengths(rows: PartRows, n_candidates: int) -> torch.Tensor:
    """Count the candidates in the history of each target, which are the target's own events; int64, shape [R]."""
    is_own = rows.sequences.items < n_candidates
    before = torch.cat([torch.zeros(1, dtype=torch.long), is_own.cumsum(0)])
    return before[rows.ends] - before[rows.starts]


def without_own_history(rows: PartRows, n_candidates: int, max_length: int) -> PartRows:
    """Leave in each history the history items alone.

    Args:
        rows: Rows with mixed histories.
        n_candidates: Number of the target's items, padding included.
        max_length: Latest history items to keep of each history at most.

    Returns:
        A sequence for each target: history items and the target. Targets without any are omitted.
    """
    items = rows.sequences.items
    is_other = items >= n_candidates
    others = items[is_other]
    before = torch.cat([torch.zeros(1, dtype=torch.long), is_other.cumsum(0)])
    first, last = before[rows.starts], before[rows.ends]
    kept = (last > first).nonzero().squeeze(1)
    first, last = torch.maximum(first, last - max_length)[kept], last[kept]
    lengths = last - first + 1
    offsets = torch.cat([torch.zeros(1, dtype=torch.long), lengths.cumsum(0)])
    ends = offsets[1:] - 1
    index = torch.arange(int(offsets[-1])) - torch.repeat_interleave(offsets[:-1] - first, lengths)
    is_target = torch.zeros(len(index), dtype=torch.bool)
    is_target[ends] = True
    flat = torch.empty(len(index), dtype=items.dtype)
    flat[~is_target] = others[index[~is_target]]
    flat[is_target] = items[rows.ends[kept]]
    events = None if rows.events is None else rows.events[kept.numpy()]
    # An event in another domain stands in many histories; the targets are the events of this one.
    return PartRows(Sequences(flat, offsets), rows.users()[kept], offsets[:-1], ends, is_target, events)
