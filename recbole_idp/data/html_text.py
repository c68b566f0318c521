"""Make plain text of the HTML in item descriptions."""

import html
import re

_CODE = re.compile(r"<(script|style)\b.*?(</\1\s*>|$)", re.IGNORECASE | re.DOTALL)
# A bracket that is followed by a space or a digit is a sign of comparison.
_TAG = re.compile(r"<[/!]?[a-zA-Z-][^<>]*>")


def clean(value: object) -> str:
    """Return the text of ``value`` without tags and entities, with white space folded to single spaces.

    Args:
        value: A string; of anything else the text is empty.

    Returns:
        The text; empty if there is none.
    """
    if not isinstance(value, str):
        return ""
    text = unescaped(value)
    if "<" in text:
        text = _TAG.sub(" ", _CODE.sub(" ", text))
    return " ".join(text.split())


def unescaped(text: str) -> str:
    """Return a text with its entities resolved."""
    # Twice, as some of it was escaped twice (&amp;quot;).
    return html.unescape(html.unescape(text))
