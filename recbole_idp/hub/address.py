"""Addresses of folders on the Hugging Face hub: ``hf://user/name``, or ``hf://user/name@revision``."""

from __future__ import annotations

import re
from typing import NamedTuple

from recbole_idp.errors import UserError

_SCHEME = "hf://"
_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9])?"
_REPOSITORY = re.compile(f"{_NAME}/{_NAME}")
_REVISION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,250}")


class HubAddress(NamedTuple):
    """Where a folder is on the hub.

    Attributes:
        repository: ``user/name``.
        revision: A branch, a tag or a commit; None: the main branch.
    """

    repository: str
    revision: str | None = None

    def __str__(self) -> str:
        """Return the address as users write it."""
        return f"{_SCHEME}{self.repository}" + (f"@{self.revision}" if self.revision else "")


def is_address(given: object) -> bool:
    """Return whether a place is on the hub, and no folder of this machine."""
    return isinstance(given, str) and given.startswith(_SCHEME)


def parse_address(text: str) -> HubAddress:
    """Parse an address.

    Args:
        text: ``hf://user/name`` or ``hf://user/name@revision``.

    Returns:
        The address.

    Raises:
        UserError: It is written otherwise.
    """
    repository, at, revision = text.removeprefix(_SCHEME).partition("@")
    if not _is_repository(repository) or (at and not _REVISION.fullmatch(revision)):
        raise UserError(f"{text} is no address on the hub: write hf://user/name, or hf://user/name@revision")
    return HubAddress(repository, revision or None)


def check_repository(name: str) -> None:
    """Check the name of a repository.

    Raises:
        UserError: It is not ``user/name``.
    """
    if not _is_repository(name):
        raise UserError(f"repo {name} is no name of a repository on the hub: write --repo=user/name")


def _is_repository(name: str) -> bool:
    """Return whether the hub may have a repository of this name."""
    return bool(_REPOSITORY.fullmatch(name)) and "--" not in name and ".." not in name
