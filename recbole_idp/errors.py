"""The exception for errors that the user can fix."""

from __future__ import annotations

from collections.abc import Iterable

from recbole_idp.terminal.printable import printable


class UserError(Exception):
    """An error in the input, the configuration or the machine that the user can fix.

    The message is a single line: what is wrong, where, and what to do. The command line prints it and exits with
    status 2.

    Args:
        message: The line. Control characters, such as escape sequences in a title, become spaces.

    Attributes:
        exit_status: Exit status of a command that it ends.
    """

    exit_status = 2

    def __init__(self, message: object) -> None:
        super().__init__(printable(message))


def nearest(name: str, candidates: Iterable[str], limit: int = 1) -> list[str]:
    """Return the candidates that a misspelt name may have meant, best first, ignoring case.

    Args:
        name: The given name.
        candidates: The valid names.
        limit: The most candidates to return.

    Returns:
        At most ``limit`` candidates that differ by few letters, or by whole words at one end; empty if there is none.
    """
    import difflib

    given = str(name).lower()
    by_lower = {str(candidate).lower(): str(candidate) for candidate in candidates}
    similar = difflib.get_close_matches(given, by_lower, n=10, cutoff=0.5)
    return [by_lower[match] for match in similar if _is_near(given, match)][:limit]


_LETTERS_A_SLIP = 4
_SHORTEST_WORD = 3


def _is_near(first: str, second: str) -> bool:
    """Return whether two names differ by few slips, or one begins or ends with the other."""
    shorter, longer = sorted((first, second), key=len)
    whole = longer.startswith(shorter) or longer.endswith(f"_{shorter}")
    if whole and len(shorter) >= _SHORTEST_WORD:
        return True
    return _slips(first, second) <= max(1, len(longer) // _LETTERS_A_SLIP)


def _slips(first: str, second: str) -> int:
    """Return the fewest letters to add, drop, replace or swap with their neighbour, from one name to the other."""
    before: list[int] = []
    row = list(range(len(second) + 1))
    for i, letter in enumerate(first, 1):
        earlier, before, row = before, row, [i]
        for j, other in enumerate(second, 1):
            fewest = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != other))
            if i > 1 and j > 1 and letter == second[j - 2] and first[i - 2] == other:
                fewest = min(fewest, earlier[j - 2] + 1)
            row.append(fewest)
    return row[-1]
