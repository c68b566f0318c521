"""Plain text from the scraps of HTML that shops keep in their descriptions."""

import html
import re

_CODE = re.compile(r"<(script|style)\b.*?(</\1\s*>|$)", re.IGNORECASE | re.DOTALL)
# A bracket that is followed by a space or a digit is a sign of comparison.
_TAG = re.compile(r"<[/!]?[a-zA-Z-][^<>]*>")


def clean(value):
    """Returns the text of ``value`` without tags and entities, its white space folded to single spaces.

    Args:
        value (object): A string, or anything else for nothing.

    Returns:
        str: The text; empty where there is none.
    """
    if not isinstance(value, str):
        return ""
    text = unescaped(value)
    if "<" in text:
        text = _TAG.sub(" ", _CODE.sub(" ", text))
    return " ".join(text.split())


def unescaped(text):
    """Returns a text with its entities resolved."""
    # Twice, as some of it was escaped twice (&amp;quot;).
    return html.unescape(html.unescape(text))
