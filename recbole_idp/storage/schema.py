"""Whether a value read from JSON has the form that its reader relies on."""

import math
from typing import Any, NamedTuple


class Misfit(ValueError):
    """A value is not of the form; the text says where and why, for a reader of the file."""


class Maybe(NamedTuple):
    """A form that may be null.

    Attributes:
        form (Any): What it is otherwise.
    """

    form: Any


class Each(NamedTuple):
    """An object with any keys.

    Attributes:
        form (Any): What each of its values is; None: anything.
    """

    form: Any = None


class IfThere(NamedTuple):
    """The form of a key that may be left out.

    Attributes:
        form (Any): What its value is otherwise.
    """

    form: Any


_NAMES = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}


def check(value, form, where=""):
    """Checks a value against a form.

    Args:
        value (Any): What ``json`` read.
        form (Any): A type (``float`` takes whole numbers as well); a list with the form of its elements, a tuple with
            the form of each; a set of texts to choose from; a dict with the forms of the keys that must be there,
            others being free; :class:`Maybe`, :class:`Each` or, for a key, :class:`IfThere`.
        where (str): The place of the value, such as ``boards[0].rows``; empty at the top.

    Raises:
        Misfit: It has another form.
    """
    if isinstance(form, Maybe):
        if value is not None:
            check(value, form.form, where)
    elif isinstance(form, Each):
        _check_type(value, dict, "an object", where)
        for key, part in value.items() if form.form is not None else ():
            check(part, form.form, f"{where}.{key}")
    elif isinstance(form, list):
        _check_type(value, list, "a list", where)
        for number, part in enumerate(value):
            check(part, form[0], f"{where}[{number}]")
    elif isinstance(form, tuple):
        _check_type(value, list, "a list", where)
        if len(value) != len(form):
            raise Misfit(f"{where} has {len(value)} elements and not {len(form)}")
        for number, part in enumerate(value):
            check(part, form[number], f"{where}[{number}]")
    elif isinstance(form, set):
        if not isinstance(value, str) or value not in form:
            raise Misfit(f"{where} is none of {', '.join(sorted(form))}")
    elif isinstance(form, dict):
        _check_type(value, dict, "an object", where)
        for key, part in form.items():
            if isinstance(part, IfThere):
                if key not in value:
                    continue
                part = part.form
            if key not in value:
                raise Misfit(f"{where} has no {key}" if where else f"it has no {key}")
            check(value[key], part, f"{where}.{key}" if where else key)
    else:
        _check_type(value, (int, float) if form is float else form, _NAMES[form], where)


def _check_type(value, kind, name, where):
    # To Python true is the number 1.
    wrong = not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool)
    if wrong or (isinstance(value, float) and not math.isfinite(value)):
        raise Misfit(f"{where} is not {name}")
