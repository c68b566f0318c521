"""Items that stand in histories and are no candidates: what the target's users did in other domains.

events of the domains that ``shared_users`` joins with the target -> users of the target -> history items N, N + 1, ...
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from recbole_idp.data.domains import Domain, DomainEvents, domain_facts
from recbole_idp.data.folders import SOURCE_FILE, clock_of
from recbole_idp.data.item_names import HistoryItem
from recbole_idp.data.sequences import positions
from recbole_idp.data.splits import only_places
from recbole_idp.errors import UserError

if TYPE_CHECKING:
    from recbole_idp.data.catalog import DatasetLocation

_MOST = 0.5


class OtherEvents(NamedTuple):
    """Events of the target's users that are history only. X events.

    Attributes:
        users: The target's number of each event's user; int64, shape [X].
        items: Index of each event's item among the history items, from 0; int64, shape [X].
        times: Exact time of each event; float64, shape [X].
    """

    users: np.ndarray
    items: np.ndarray
    times: np.ndarray


@dataclass(frozen=True)
class JoinedDomains:
    """What the users of a target did in other domains.

    Attributes:
        domains: Facts about the domains.
        items: The items of all domains, S in all.
        events: The events of joined users.
        joined: Whether a user of the target has an event in another domain, by user number; bool, shape [U].
        unused: How many of the events are in no history, as nothing later of their user is predicted.
    """

    domains: Sequence[Domain]
    items: Sequence[HistoryItem]
    events: OtherEvents
    joined: np.ndarray
    unused: int = 0

    def facts(self) -> dict[str, Any]:
        """Return how many users are joined, and what they bring, as results hold it."""
        return {
            "domains": [domain.name for domain in self.domains],
            "joined_users": int(self.joined.sum()),
            "users": len(self.joined) - 1,
            "events": len(self.events.users),
            "unused_events": self.unused,
        }


def joined_line(target: str, facts: Mapping[str, Any]) -> str:
    """Return how many users are joined, and what they bring, in one line.

    Args:
        target: Name of the target.
        facts: What :meth:`JoinedDomains.facts` returns.
    """
    line = (
        f"{facts['joined_users']:,} of {facts['users']:,} users of {target} are joined with "
        f"{', '.join(facts['domains'])}: they bring {facts['events']:,} events, which are history only"
    )
    if not facts["unused_events"]:
        return line
    return f"{line}; {facts['unused_events']:,} of them are before nothing that is predicted, and are not used"


def join_with_target(
    target: DatasetLocation,
    others: Iterable[DomainEvents],
    users: Mapping[str, int],
    target_users: np.ndarray,
    target_times: np.ndarray,
) -> JoinedDomains:
    """Join other domains with the target.

    Args:
        target: Where the target lies.
        others: Events of the domains that ``shared_users`` joins with it.
        users: Number of each user id of the target, padding included.
        target_users: User of each of the target's events; shape [E].
        target_times: Exact time of each; shape [E].

    Returns:
        The events of its users there.

    Raises:
        UserError: No user is joined, or the times of a domain and the target's have no common clock.
    """
    domains: list[Domain] = []
    items: list[HistoryItem] = []
    parts: list[OtherEvents] = []
    for other in others:
        name = other.location.name
        events = _of_users(other, users, len(items))
        if not _same_clock(target, other.location):
            check_one_clock(target.name, (target_users, target_times), name, (events.users, events.times))
        domains.append(domain_facts(other))
        items += [HistoryItem(name, token) for token in other.item_tokens[1:]]
        parts.append(events)
    events = OtherEvents(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))
    joined = np.zeros(len(users), dtype=bool)
    joined[events.users] = True
    if not joined.any():
        names = ", ".join(domain.name for domain in domains)
        raise UserError(
            f"no user of {target.name} has an event in {names}, which shared_users joins with it: the ids of the "
            "same people must be equal in the files"
        )
    return JoinedDomains(domains, items, events, joined)


def _same_clock(target: DatasetLocation, other: DatasetLocation) -> bool:
    """Return whether the files of two domains say that their times can be compared.

    Raises:
        UserError: They say that these cannot.
    """
    clock, others = clock_of(target.folder), clock_of(other.folder)
    if clock != others:
        ordered = target if clock is not None else other
        raise UserError(
            f"shared_users joins {target.name} and {other.name}, and the timestamps of {ordered.name} are places in an "
            f"order of its own ({ordered.folder / SOURCE_FILE}): the order of events is unknown, so give real times"
        )
    return clock is not None


def _of_users(read: DomainEvents, users: Mapping[str, int], first_item: int) -> OtherEvents:
    """Return the events of some users, with their numbers there.

    Args:
        read: All events of a domain.
        users: Number of each user id that is kept.
        first_item: Index of the domain's first item among all history items.
    """
    number = np.array([users.get(token, 0) for token in read.user_tokens], dtype=np.int64)
    # Number 0 is RecBole's padding.
    number[0] = 0
    own = number[read.users]
    kept = own > 0
    return OtherEvents(own[kept], read.items[kept].astype(np.int64) - 1 + first_item, read.times[kept].astype(float))


def check_one_clock(
    target: str, target_events: tuple[np.ndarray, np.ndarray], other: str, other_events: tuple[np.ndarray, np.ndarray]
) -> None:
    """Check that the times of two domains can be compared.

    Times that are places in each user's history of one domain begin at 0 or 1 in both domains for most of the users
    whom they share. With a common clock, a user's first event of all is in one domain alone. Places of one domain and
    real times of the other have no time in common.

    Args:
        target: Name of the target.
        target_events: User and time of each of its events; shapes [E].
        other: Name of the other domain.
        other_events: The same of the shared users' events there; shapes [X].

    Raises:
        UserError: The times of a domain are all equal, or are places.
    """
    for name, (_, times) in ((target, target_events), (other, other_events)):
        if len(times) > 1 and times.min() == times.max():
            raise UserError(
                f"shared_users joins {target} and {other}, and {name} has the same time for all events: give real times"
            )
    firsts = [_first_times(*events) for events in (target_events, other_events)]
    shared = firsts[0].keys() & firsts[1].keys()
    equal = sum(firsts[0][user] == firsts[1][user] <= 1 for user in shared)
    own = np.isin(target_events[0], list(shared))
    apart = _places_apart((target_events[0][own], target_events[1][own]), other_events)
    if shared and (apart or equal > _MOST * len(shared)):
        raise UserError(
            f"shared_users joins {target} and {other}, whose timestamps are places in each user's history of one "
            "domain: the order of events is unknown, so give real times, or one order over both domains"
        )


def _places_apart(target: tuple[np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray]) -> bool:
    """Return whether the times of one domain are places, and all times of the other are later than these."""
    if not len(target[0]) or not len(other[0]):
        return False
    pairs = ((target, other), (other, target))
    return any(only_places(*places) and times[1].min() > places[1].max() for places, times in pairs)


def _first_times(users: np.ndarray, times: np.ndarray) -> dict[int, float]:
    """Return the time of each user's first event."""
    order = np.lexsort((times, users))
    first = positions(users[order]) == 0
    return dict(zip(users[order][first].tolist(), times[order][first].tolist(), strict=True))
