"""What JSON has no type for, as what it has: numbers of NumPy remain numbers."""

import numbers
from functools import singledispatch
from pathlib import PurePath
from typing import Any


@singledispatch
def plain(value: Any) -> Any:
    """Return a value as a plain JSON type: the ``default`` of ``json.dumps``.

    Args:
        value: A number of NumPy, or a path.

    Returns:
        A number or a text.

    Raises:
        TypeError: The value is of another type. As text, a reader that expects a number would refuse it.
    """
    raise TypeError(f"a {type(value).__name__} cannot be written as JSON")


@plain.register
def _(value: numbers.Integral) -> int:
    return int(value)


@plain.register
def _(value: numbers.Real) -> float:
    return float(value)


@plain.register
def _(value: PurePath) -> str:
    return str(value)
