"""What a request may ask for at most, and how often a client may ask."""

from __future__ import annotations

from collections import OrderedDict

MOST_BODY_BYTES = 1 << 20
"""Bytes of a request's body."""

MOST_BODY_SECONDS = 10.0
"""Seconds in which a body has to arrive."""

MOST_HISTORIES, MOST_HISTORY_ITEMS, MOST_ID_LETTERS = 256, 1000, 500
"""Histories of a request, items of a history, letters of an id."""

MOST_ITEMS, MOST_ANSWERS = 1000, 20_000
"""Items after one history (k), and after all histories of a request."""

MOST_QUERY_LETTERS, MOST_FOUND = 200, 100
"""Letters of a search, and items that it finds."""

MOST_WAITING = 4096
"""Histories that wait for the model. With more, requests are refused instead of kept waiting."""

MOST_CONNECTIONS = 2000
"""Connections at a time."""

_MOST_CLIENTS = 10_000


class TokenBuckets:
    """Allows each client a rate of requests, and bursts of twice as many.

    A client's bucket holds 2 * rate tokens, fills by ``rate`` a second, and each request takes one. The buckets of
    those who have not asked for longest are dropped, so that many clients do not fill the memory.

    Args:
        rate: Requests a second; 0: any number.
    """

    def __init__(self, rate: float) -> None:
        self._rate, self._full = rate, max(1.0, 2 * rate)
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, client: str, now: float) -> float:
        """Take a token of a client.

        Args:
            client: Who asks.
            now: The time in seconds, of a clock that does not go back.

        Returns:
            0 if there was one, else the seconds until there will be.
        """
        if not self._rate:
            return 0.0
        tokens, since = self._buckets.pop(client, (self._full, now))
        tokens = min(self._full, tokens + (now - since) * self._rate)
        missing = max(0.0, 1.0 - tokens)
        self._buckets[client] = (tokens if missing else tokens - 1.0, now)
        if len(self._buckets) > _MOST_CLIENTS:
            self._buckets.popitem(last=False)
        return missing / self._rate
