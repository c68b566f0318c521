"""Say which columns of a table are meant: ``user=customer,item=sku,time=bought_at``."""

from __future__ import annotations

import re
from collections.abc import Sequence

import yaml

from recbole_idp.errors import UserError, nearest
from recbole_idp.terminal.printable import printable

_PART = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,60}")


def parse_mapping(text: str, key: str, needed: Sequence[str], optional: Sequence[str] | None) -> dict[str, str]:
    """Read which column each part is.

    Args:
        text: ``part=column`` with commas between; or as YAML, ``{part: column}``, for columns with commas in their
            names.
        key: The key that has the text, for messages.
        needed: Parts that must be named.
        optional: Others that may be; None: any name may.

    Returns:
        The column of each part.

    Raises:
        UserError: The text is no such list, or a part is missing, unknown or there twice.
    """
    example = f"--{key}={','.join(f'{part}=NAME' for part in needed)}"
    found: dict[str, str] = {}
    for part, column in _pairs(text, key, example):
        if part in found:
            raise UserError(f"{key} names {part} twice: name it once")
        if not _PART.fullmatch(part) or (optional is not None and part not in (*needed, *optional)):
            close = nearest(part, [*needed, *(optional or ())])
            hint = f"did you mean {close[0]}?" if close else f"write {example}"
            raise UserError(f"{key} names {printable(part)[:60]!r}, which is no part: {hint}")
        found[part] = column
    if missing := [part for part in needed if part not in found]:
        raise UserError(f"{key} does not name the column of {' and '.join(missing)}: write {example}")
    return found


def _pairs(text: str, key: str, example: str) -> list[tuple[str, str]]:
    """Return parts and columns in the order of the text."""
    if text.lstrip().startswith("{"):
        try:
            value = yaml.safe_load(text)
        except (yaml.YAMLError, ValueError, RecursionError):
            value = None
        if not isinstance(value, dict) or not value or any(type(one) not in (str, int) for one in value.values()):
            raise UserError(f"{key} is no map of columns: write {example}")
        return [(str(part).strip(), str(column).strip()) for part, column in value.items()]
    pairs = []
    for piece in text.split(","):
        part, separator, column = (one.strip() for one in piece.partition("="))
        if not separator or not part or not column:
            raise UserError(f"{key} has {printable(piece.strip())[:60]!r}, and not part=column: write {example}")
        pairs.append((part, column))
    return pairs
