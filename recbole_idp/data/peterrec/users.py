"""Tell who is the same user in the text files: they have no user ids."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple


class User(NamedTuple):
    """The user of a line.

    Attributes:
        name: The user's id in the atomic files.
        new: Whether this is the user's first line in all files.
    """

    name: str
    new: bool


class Users(ABC):
    """Names of users."""

    @abstractmethod
    def of(self, file: str, line: int, history: Sequence[str]) -> User:
        """Return the user of a line.

        Args:
            file: A short name of the file; empty for the first one.
            line: The number of the line.
            history: The source ids without padding.
        """


class LineUsers(Users):
    """Each line is a user, named by its number, and in further files by the file as well."""

    def of(self, file: str, line: int, history: Sequence[str]) -> User:
        """Return a new user."""
        return User(f"{file}-{line}" if file else str(line), True)


class HistoryUsers(Users):
    """All lines with the same source history are one user, numbered by first appearance.

    A line without history is a user of its own.
    """

    def __init__(self) -> None:
        self._count = 0
        self._names: dict[bytes, str] = {}

    def of(self, file: str, line: int, history: Sequence[str]) -> User:
        """Return the user with this history."""
        if not history:
            return self._next()
        key = hashlib.blake2b(",".join(history).encode(), digest_size=16).digest()
        known = self._names.get(key)
        if known is not None:
            return User(known, False)
        user = self._next()
        self._names[key] = user.name
        return user

    def _next(self) -> User:
        """Return a new user."""
        self._count += 1
        return User(str(self._count), True)


IDENTITIES: dict[str, type[Users]] = {"line": LineUsers, "history": HistoryUsers}
"""What a user is -> the class that tells."""
