"""What stands before the application: who may ask, how often, how much; and what browsers may do with the answers."""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import Collection
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import Response

from recbole_idp.web.limits import MOST_BODY_BYTES, MOST_BODY_SECONDS, TokenBuckets

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Nothing from elsewhere, no scripts and styles in the page itself, no frames: a title that got in as markup could do
# nothing.
_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def problem(status: int, line: str, headers: dict[str, str] | None = None) -> Response:
    """Return the answer to a request that is refused.

    Args:
        status: HTTP status.
        line: Why, in one line.
        headers: Further headers.
    """
    # ASCII alone: half of a surrogate pair, which a client may have sent, could not be encoded.
    return Response(json.dumps({"error": line}), status, headers, "application/json")


class SafeHeaders:
    """Adds the headers that protect a browser to every answer.

    Args:
        app: The application.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        await self._app(scope, receive, send_safely)


class KnownHosts:
    """Refuses requests that name another host: a page elsewhere could have its name point to this machine.

    Args:
        app: The application.
        hosts: Names that the server has; empty: any.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        self._app, self._hosts = app, frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] == "http" and self._hosts and _host(scope) not in self._hosts:
            refusal = problem(421, f"this server is called {' or '.join(sorted(self._hosts))}: ask it by that name")
            await refusal(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _host(scope: Scope) -> str | None:
    """Return the host that a request names; None: none that can be one."""
    try:
        return Request(scope).url.hostname
    except ValueError:
        return None


class RateLimit:
    """Refuses the requests of a client, by its address, that asks too often.

    Args:
        app: The application.
        rate: Requests a second; 0: any number.
    """

    def __init__(self, app: ASGIApp, rate: float) -> None:
        self._app, self._buckets = app, TokenBuckets(rate)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] == "http":
            client = scope.get("client")
            if wait := self._buckets.wait(client[0] if client else "", time.monotonic()):
                headers = {"Retry-After": str(math.ceil(wait))}
                refusal = problem(429, f"too many requests: ask again in {wait:.2f} seconds", headers)
                await refusal(scope, receive, send)
                return
        await self._app(scope, receive, send)


class BodyLimit:
    """Reads the body of a request, and refuses one that is too long or does not come.

    Args:
        app: The application.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD"):
            await self._app(scope, receive, send)
            return
        too_long = problem(413, f"the body has more than {MOST_BODY_BYTES:,} bytes: send fewer histories at a time")
        if Headers(scope=scope).get("content-length", "0").rjust(20, "0") > str(MOST_BODY_BYTES).rjust(20, "0"):
            await too_long(scope, receive, send)
            return
        try:
            body = await asyncio.wait_for(_read(receive), MOST_BODY_SECONDS)
        except asyncio.TimeoutError:
            await problem(408, f"the body did not come within {MOST_BODY_SECONDS:g} seconds")(scope, receive, send)
            return
        if body is None:
            await too_long(scope, receive, send)
            return
        messages = [{"type": "http.request", "body": body, "more_body": False}]

        async def again() -> Message:
            return messages.pop() if messages else await receive()

        await self._app(scope, again, send)


async def _read(receive: Receive) -> bytes | None:
    """Read a body; None: it is too long."""
    parts, size = [], 0
    while True:
        message = await receive()
        part = message.get("body", b"")
        parts.append(part)
        size += len(part)
        if size > MOST_BODY_BYTES:
            return None
        if not message.get("more_body", False):
            return b"".join(parts)
