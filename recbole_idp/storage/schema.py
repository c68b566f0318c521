"""Check that a value read from JSON has the structure that its reader relies on."""

import math
from typing import Any, NamedTuple


class SchemaError(ValueError):
    """A value does not match its schema. The text says where and why."""


class Nullable(NamedTuple):
    """Schema of a value that may be null.

    Attributes:
        schema: Schema of the value if it is not null.
    """

    schema: Any


class ObjectOf(NamedTuple):
    """Schema of an object with any keys.

    Attributes:
        schema: Schema of each value; None allows anything.
    """

    schema: Any = None


class OptionalKey(NamedTuple):
    """Schema of a key that an object may lack.

    Attributes:
        schema: Schema of the key's value if the object has it.
    """

    schema: Any


# JSON's numbers have no limit, but floats and arrays have.
_LARGEST = 2**63 - 1
_NAMES = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}


def check_schema(value: Any, schema: Any, where: str = "") -> None:
    """Check a value against a schema.

    Args:
        value: What ``json`` read.
        schema: A type (``float`` takes whole numbers as well); a list with the schema of its elements, a tuple with
            the schema of each; a set of texts to choose from; a dict with the schemas of the keys that must be there,
            others being free; :class:`Nullable`, :class:`ObjectOf` or, for a key, :class:`OptionalKey`.
        where: The place of the value, such as ``boards[0].rows``; empty at the top.

    Raises:
        SchemaError: The value has another structure.
    """
    if isinstance(schema, Nullable):
        if value is not None:
            check_schema(value, schema.schema, where)
    elif isinstance(schema, ObjectOf):
        _check_type(value, dict, "an object", where)
        for key, element in value.items() if schema.schema is not None else ():
            check_schema(element, schema.schema, f"{where}.{key}")
    elif isinstance(schema, list):
        _check_type(value, list, "a list", where)
        for number, element in enumerate(value):
            check_schema(element, schema[0], f"{where}[{number}]")
    elif isinstance(schema, tuple):
        _check_type(value, list, "a list", where)
        if len(value) != len(schema):
            raise SchemaError(f"{where} has {len(value)} elements and not {len(schema)}")
        for number, element in enumerate(value):
            check_schema(element, schema[number], f"{where}[{number}]")
    elif isinstance(schema, set):
        if not isinstance(value, str) or value not in schema:
            raise SchemaError(f"{where} is none of {', '.join(sorted(schema))}")
    elif isinstance(schema, dict):
        _check_keys(value, schema, where)
    else:
        _check_type(value, (int, float) if schema is float else schema, _NAMES[schema], where)


def _check_keys(value: Any, schema: dict, where: str) -> None:
    """Check an object that must have some keys."""
    _check_type(value, dict, "an object", where)
    for key, expected in schema.items():
        if isinstance(expected, OptionalKey):
            if key not in value:
                continue
            expected = expected.schema
        if key not in value:
            raise SchemaError(f"{where} has no {key}" if where else f"it has no {key}")
        check_schema(value[key], expected, f"{where}.{key}" if where else key)


def _check_type(value: Any, expected: type | tuple[type, ...], name: str, where: str) -> None:
    """Check the type of a value, and that a number is finite and of a size that arithmetic takes."""
    # To Python true is the number 1.
    wrong = not isinstance(value, expected) or (isinstance(value, bool) and expected is not bool)
    infinite = isinstance(value, float) and not math.isfinite(value)
    if wrong or infinite or (isinstance(value, int) and abs(value) > _LARGEST):
        raise SchemaError(f"{where} is not {name}")
