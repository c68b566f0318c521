"""The exception for errors that the user can fix."""

from __future__ import annotations

from collections.abc import Iterable

from recbole_idp.printable import printable


class UserError(Exception):
    """An error in the input, the configuration or the machine that the user can fix.

    The message is a single line: what is wrong, where, and what to do. The command line prints it and exits with
    status 2.

    Args:
        message: The line. What a terminal would act upon, such as escape sequences in a title, becomes spaces.
    """

    def __init__(self, message: object) -> None:
        super().__init__(printable(message))


def nearest(name: str, candidates: Iterable[str], limit: int = 1) -> list[str]:
    """Return the candidates that are most similar to a name, best first, ignoring case.

    Args:
        name: The given name.
        candidates: The valid names.
        limit: The most candidates to return.

    Returns:
        At most ``limit`` candidates; empty if none is similar.
    """
    import difflib

    by_lower = {str(candidate).lower(): str(candidate) for candidate in candidates}
    matches = difflib.get_close_matches(str(name).lower(), by_lower, n=limit, cutoff=0.5)
    return [by_lower[match] for match in matches]
