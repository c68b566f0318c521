"""Make texts fit to be printed: titles, ids and names come from files of strangers."""

_JOINERS = frozenset("\u200c\u200d")


def printable(text: object, lines: bool = False) -> str:
    """Return a text without control characters.

    Escape sequences, other control characters, marks that turn the direction of writing and halves of surrogate pairs
    become spaces, so that an escape sequence is seen and does nothing.

    Args:
        text: Any value; its ``str`` is taken.
        lines: Whether tabs and ends of lines stay; otherwise they become spaces as well.

    Returns:
        The text, as long as it was.
    """
    text = str(text)
    if text.isprintable():
        return text
    kept = _JOINERS | {"\n", "\t"} if lines else _JOINERS
    return "".join(letter if letter.isprintable() or letter in kept else " " for letter in text)
