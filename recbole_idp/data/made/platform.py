"""A made platform: items in categories, popularity by Zipf's law, and users who come in sessions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recbole_idp.data.made.words import MOST_CATEGORIES, SERIES, hashed

_SESSION = 4
# Of the events of a session, those that go on in the series of the one before.
_COMPANIONS = 0.6
_FAVOURITES = 3
_DAY = 86_400
_YEARS = 3
_FIRST_DAY = 1_600_000_000


class Catalogue:
    """The items of a platform: categories of nearly one size, in each of which they stand by popularity.

    Args:
        items: Number of items.
        categories: Number of categories; at most as many as items.

    Attributes:
        items: Number of items, N.
        starts: The first item of each category, and N; int64, shape [K + 1].
    """

    def __init__(self, items: int, categories: int) -> None:
        self.items = items
        self.starts = np.linspace(0, items, categories + 1).astype(np.int64)

    @property
    def categories(self) -> int:
        """The number of categories, K."""
        return len(self.starts) - 1

    def places(self, first: int, last: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the category of each of some items, and its place there."""
        items = np.arange(first, last, dtype=np.int64)
        categories = np.searchsorted(self.starts, items, side="right") - 1
        return categories, items - self.starts[categories]


def category_count(items: int) -> int:
    """Return how many categories a platform of so many items has."""
    return min(MOST_CATEGORIES, max(1, math.isqrt(items)))


def twin_products(
    target: Catalogue, source: Catalogue, first: int, last: int, share: float, seed: int
) -> NDArray[np.int64]:
    """Return the product of each of some target items: one that the source has as well, or one of its own.

    Whole series are shared. A product is about as popular among those of its category on both sides.

    Args:
        target: The target's items.
        source: The source's items, in as many categories.
        first: The first of the items.
        last: The item after the last one.
        share: The share of the target's series that the source has, where it has as many.
        seed: Seed of the choice.

    Returns:
        Numbers of products in their categories; those of the source are below its number of places there.
    """
    categories, places = target.places(first, last)
    sizes, source_sizes = (np.diff(side.starts)[categories] for side in (target, source))
    series, own_series, source_series = places // SERIES, sizes // SERIES, source_sizes // SERIES
    spread = series * source_series // np.maximum(own_series, 1)
    counterpart = np.where(source_series >= own_series, spread, series)
    chosen = hashed(seed, categories, series, 3) < share * 2.0**63
    shared = chosen & (counterpart < source_series)
    return np.where(shared, counterpart * SERIES + places % SERIES, source_sizes + places)


class Events(NamedTuple):
    """Events of some users, user after user, in the order of time.

    Attributes:
        users: Number of each user; int64, shape [E].
        items: Number of each item; int64, shape [E].
        times: Seconds since 1970; int64, shape [E].
    """

    users: NDArray[np.int64]
    items: NDArray[np.int64]
    times: NDArray[np.int64]


@dataclass(frozen=True)
class Behaviour:
    """How the users of a platform choose.

    A user comes in sessions of four events on average, each in one of three categories that the user likes. An event
    goes on in the series of the one before, or is drawn by popularity in the category.

    Attributes:
        catalogue: The items.
        zipf: Exponent of popularity, among the items of a category and among categories.
    """

    catalogue: Catalogue
    zipf: float

    def draw(self, first_user: int, lengths: NDArray[np.int64], random: np.random.Generator) -> Events:
        """Draw the events of some users.

        Args:
            first_user: Number of the first one.
            lengths: How many events each has; shape [U].
            random: Where chance comes from.
        """
        count, starts = int(lengths.sum()), np.cumsum(lengths) - lengths
        is_start = np.zeros(count, dtype=bool)
        is_start[starts] = True
        users = np.repeat(np.arange(len(lengths)), lengths)
        comes_anew = (random.random(count) < 1 / _SESSION) | is_start
        goes_on = (random.random(count) < _COMPANIONS) & ~comes_anew
        session = _latest(comes_anew)
        favourites = self._draw_categories(random.random((len(lengths), _FAVOURITES)))
        category = favourites[users, random.integers(_FAVOURITES, size=count)][session]
        sizes = np.diff(self.catalogue.starts)[category]
        anchor = _latest(~goes_on)
        drawn = zipf_ranks(random.random(count), sizes, self.zipf)[anchor]
        series = drawn - drawn % SERIES
        place = series + (drawn % SERIES + np.arange(count) - anchor) % np.minimum(SERIES, sizes - series)
        gaps = np.where(comes_anew, random.exponential(7 * _DAY, count), random.exponential(120, count)) + 1
        gaps[starts] = random.random(len(lengths)) * _YEARS * 365 * _DAY
        passed = np.cumsum(gaps)
        passed -= np.repeat(passed[starts] - gaps[starts], lengths)
        times = _FIRST_DAY + passed.astype(np.int64)
        return Events(first_user + users, self.catalogue.starts[category] + place, times)

    def _draw_categories(self, uniform: NDArray[np.float64]) -> NDArray[np.int64]:
        """Turn uniform numbers into categories by popularity."""
        return zipf_ranks(uniform, np.array(self.catalogue.categories), self.zipf)


def zipf_ranks(uniform: NDArray[np.float64], sizes: NDArray[np.int64], exponent: float) -> NDArray[np.int64]:
    """Turn uniform numbers into ranks from 0, the lower the likelier: by the inverse of a power law's distribution.

    Args:
        uniform: Numbers in [0, 1).
        sizes: How many ranks there are; broadcast.
        exponent: The exponent, from 0.
    """
    if exponent == 1:
        found = np.power(sizes + 1.0, uniform)
    else:
        power = 1 - exponent
        found = np.power((np.power(sizes + 1.0, power) - 1) * uniform + 1, 1 / power)
    return np.minimum(found.astype(np.int64) - 1, sizes - 1)


def user_lengths(users: int, events: int, random: np.random.Generator) -> NDArray[np.int64]:
    """Divide events among users: a few at least for each, and the others by log-normal weights.

    Args:
        users: Number of users, U.
        events: Number of events, at least ``LEAST_EVENTS * users``.
        random: Where chance comes from.

    Returns:
        Events of each user, whose sum is ``events``; shape [U].
    """
    least = min(_USUAL_LEAST, events // users)
    weights = random.lognormal(0, 1, users)
    ends = np.round(np.cumsum(weights) / weights.sum() * (events - least * users)).astype(np.int64)
    return np.diff(ends, prepend=0) + least


LEAST_EVENTS = 3
"""So many events a user make a training target, one of validation and one of test."""
_USUAL_LEAST = 5


def _latest(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return, for each place, the latest one that is marked; the first is."""
    return np.maximum.accumulate(np.where(mask, np.arange(len(mask)), 0))
