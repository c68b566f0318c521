"""Declare a setting once: type, limits, default, help, and what it affects.

A system declares its settings beside itself, as a class of fields:

    class MatchingSettings(Settings):
        top_m: Count = setting(10, "default: source items that a target item is made of.", Affects.TRAINING)

From the declarations follow the check of YAML files and of the command line (config/checks.py), the task ``keys``, the
reference pages, the JSON schema for editors, and the fingerprints (config/fingerprint.py). The files in properties/
hold the values that a run reads; a test holds them equal to the declarations.
"""

from __future__ import annotations

import enum
import functools
import inspect
import operator
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import annotated_types
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError
from typing_extensions import Self

from recbole_idp.errors import UserError


class Affects(enum.Flag):
    """What changes if a setting changes. An undeclared setting affects every number."""

    NOTHING = 0
    """No number and no folder: paths, what is shown, speed."""
    PRETRAINING = enum.auto()
    """What is learned from source domains before the target is seen."""
    TRAINING = enum.auto()
    """What is learned from the target, and what that starts from."""
    EVALUATION = enum.auto()
    """What is measured."""
    STUDY = enum.auto()
    """A study by a task of its own (``warm-up``)."""
    OUTPUT = enum.auto()
    """What a run or a task writes or shows, besides its numbers."""
    ALL = PRETRAINING | TRAINING | EVALUATION
    """Every number."""


class Settings(BaseModel):
    """A group of settings, as typed values. Declare its fields with :func:`setting`."""

    # Keys may begin with "model_", which pydantic keeps for itself.
    model_config = ConfigDict(strict=True, frozen=True, protected_namespaces=())

    @classmethod
    def of(cls, config: Any) -> Self:
        """Read the group's values from a configuration.

        Args:
            config: RecBole's ``Config`` or a dict; it may hold other keys as well. A key that it lacks has its default.

        Returns:
            The values.

        Raises:
            UserError: A value is wrong, as it can be in a configuration that was not checked.
        """
        try:
            return cls(**{name: config[name] for name in cls.model_fields if name in config})
        except ValidationError as error:
            found = error.errors(include_url=False)[0]
            key = found["loc"][0]
            raise UserError(f"{key} is {config[key]!r}, but {_lower(found['msg'])}: correct it") from None

    @classmethod
    def check_together(cls, values: dict[str, Any]) -> None:
        """Check values that depend on each other.

        Args:
            values: The resolved configuration; it holds other keys as well.

        Raises:
            UserError: Two values contradict each other.
        """


def setting(
    default: Any,
    help: str,
    affects: Affects = Affects.ALL,
    of: tuple[str, str] | None = None,
    implied: Any = None,
) -> Any:
    """Declare a field of :class:`Settings`.

    Args:
        default: The default, as in the YAML file.
        help: One sentence. It begins with "paper:" if the default is the paper's own value, and with "default:" if the
            paper has none or another one.
        affects: What changes if the value changes.
        of: Another key and its value without which this key is not read; None: it is always read.
        implied: The value that results have which do not name this key; None: there are none.

    Returns:
        The field.
    """
    extra: dict[str, Any] = {"affects": affects.value, "of": of, "implied": implied}
    return Field(default, description=help, json_schema_extra=extra)


def restated(group: type[Settings], name: str, affects: Affects) -> Any:
    """Declare a field of a group again, with the same default and help, where it affects something else."""
    info = group.model_fields[name]
    extra: Any = info.json_schema_extra
    return setting(info.default, info.description or "", affects, extra["of"], extra["implied"])


@dataclass(frozen=True)
class Setting:
    """Declaration of a key.

    Attributes:
        name: The key.
        annotation: Its type, with limits.
        default: The default value; None if there is none.
        help: One sentence; empty for a key of RecBole that is not declared.
        affects: What changes if the value changes.
        owner: The module that declares it; empty if none does.
        of: Another key and its value without which this one is not read; None: it is always read.
        implied: The value that results have which do not name the key; None: there are none.
    """

    name: str
    annotation: Any
    default: Any = None
    help: str = ""
    affects: Affects = Affects.ALL
    owner: str = field(default="", compare=False)
    of: tuple[str, str] | None = None
    implied: Any = None

    @classmethod
    def declared(cls, name: str, info: FieldInfo, owner: str) -> Self:
        """Make the setting of a field of :class:`Settings`."""
        annotation: Any = info.annotation
        if info.metadata:
            form: Any = Annotated
            parts = (annotation, *info.metadata)
            annotation = form[parts]
        extra: Any = info.json_schema_extra
        about = {"affects": Affects(extra["affects"]), "of": extra["of"], "implied": extra["implied"]}
        return cls(name, annotation, info.default, info.description or "", owner=owner, **about)

    @classmethod
    def observed(cls, name: str, values: list) -> Self:
        """Make the setting of an undeclared key from its defaults in RecBole's YAML files."""
        kinds = [type(value) for value in values if value is not None]
        filled = [value for value in values if value is not None]
        alternatives = [_element_type(kind, filled) for kind in dict.fromkeys(kinds)]
        if not alternatives:
            return cls(name, Any)
        if len(filled) < len(values):
            alternatives.append(type(None))
        return cls(name, _shared(functools.reduce(operator.or_, alternatives)), filled[-1])

    @property
    def from_paper(self) -> bool:
        """Whether the default is the paper's own value."""
        return self.help.startswith("paper:")

    def says_nothing(self, values: Mapping[str, Any]) -> bool:
        """Return whether its value among others changes nothing: it is not read, or the same as no value."""
        if self.of is not None and values.get(self.of[0]) != self.of[1]:
            return True
        return self.implied is not None and values.get(self.name) == self.implied

    @cached_property
    def adapter(self) -> TypeAdapter:
        """Pydantic's check of a value."""
        return _adapter_of(self.annotation)

    @cached_property
    def alternatives(self) -> tuple:
        """The plain types that it takes, with None for NoneType; empty: anything."""
        return tuple(dict.fromkeys(_plain(part) for part in _parts(self.annotation)))

    @cached_property
    def element(self) -> Any:
        """The type of a list's elements with its limits; None if it takes no list, or anything."""
        for part in _parts(self.annotation):
            if _plain(part) is list and (found := get_args(_bare(part))):
                return found[0]
        return None

    @cached_property
    def words(self) -> tuple[str, ...]:
        """The words that it, or each element of its list, takes; empty: any text."""
        places = [*_parts(self.annotation), *([self.element] if self.element is not None else [])]
        return next((get_args(_bare(part)) for part in places if get_origin(_bare(part)) is Literal), ())

    def type_name(self) -> str:
        """Return the type in words, such as "list of int or None"."""
        return " or ".join(_name(part) for part in _parts(self.annotation)) or "anything"


_ADAPTERS: dict[int, tuple[Any, TypeAdapter]] = {}


def _adapter_of(annotation: Any) -> TypeAdapter:
    """Return pydantic's check of a type, made once for all settings that share the type's object."""
    # Some limits cannot be hashed; as the object is kept, no other has its number.
    if id(annotation) not in _ADAPTERS:
        _ADAPTERS[id(annotation)] = annotation, TypeAdapter(annotation, config=ConfigDict(strict=True))
    return _ADAPTERS[id(annotation)][1]


@functools.cache
def _shared(annotation: Any) -> Any:
    """Return the one object of equal types, which can be hashed."""
    return annotation


def _lower(message: str) -> str:
    """Return a message of pydantic's as a part of a sentence."""
    return message[:1].lower() + message[1:]


def declared_by(group: type[Settings]) -> dict[str, Setting]:
    """Return the settings of a group and of the groups that it extends, by key."""
    return {name: Setting.declared(name, info, _owner(group, name)) for name, info in group.model_fields.items()}


def _owner(group: type[Settings], name: str) -> str:
    """Return the module of the most derived class that declares a field."""
    return next(cls.__module__ for cls in group.__mro__ if name in inspect.get_annotations(cls))


def _bare(annotation: Any) -> Any:
    """Return an annotation without its limits."""
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def _parts(annotation: Any) -> tuple[Any, ...]:
    """Return the alternatives of an annotation; none for ``Any``."""
    bare = _bare(annotation)
    if bare is Any:
        return ()
    if get_origin(bare) in (Union, types.UnionType):
        return tuple(part for alternative in get_args(bare) for part in _parts(alternative))
    return (annotation,)


def _plain(part: Any) -> Any:
    """Return the plain type of one alternative: list for list[int], str for a Literal, None for NoneType."""
    bare = _bare(part)
    if bare is type(None):
        return None
    origin = get_origin(bare)
    return str if origin is Literal else origin or bare


def _name(part: Any) -> str:
    """Return one alternative in words."""
    plain = _plain(part)
    if plain is None:
        return "None"
    arguments = get_args(_bare(part))
    if plain is list and arguments:
        inner = " or ".join(_name(alternative) for alternative in _parts(arguments[0]))
        return f"list of {'lists' + inner.removeprefix('list') if inner.startswith('list') else inner}"
    return plain.__name__


def _element_type(kind: type[Any], values: Sequence[Any]) -> Any:
    """Return list[int] for lists of whole numbers, and the type itself for other values."""
    if kind is not list:
        return kind
    elements = {type(element) for value in values if isinstance(value, list) for element in value}
    return list[elements.pop()] if len(elements) == 1 else list  # type: ignore[misc]  # a type made at run time


# Types with limits, as declarations use them.

Item = TypeVar("Item")


def _distinct(value: list[Any]) -> list[Any]:
    """Check that a list is not empty and has no element twice."""
    if not value:
        raise PydanticCustomError("empty", "is empty")
    for element in value:
        if value.count(element) > 1:
            raise PydanticCustomError("twice", "has {element} twice", {"element": element})
    return value


Count = Annotated[int, annotated_types.Ge(1)]
Layers = Annotated[int, annotated_types.Ge(1), annotated_types.Le(1000)]
"""With more, layers would fill the memory; with more threads, OpenMP ends the process."""
Natural = Annotated[int, annotated_types.Ge(0)]
Number = Annotated[float, annotated_types.Ge(0), Field(allow_inf_nan=False)]
Positive = Annotated[float, annotated_types.Gt(0), Field(allow_inf_nan=False)]
Share = Annotated[float, annotated_types.Ge(0), annotated_types.Le(1)]
PositiveShare = Annotated[float, annotated_types.Gt(0), annotated_types.Le(1)]
Dropout = Annotated[float, annotated_types.Ge(0), annotated_types.Lt(1)]
"""A probability of 1 would drop everything."""
Seed = Annotated[int, annotated_types.Ge(0), annotated_types.Le(2**32 - 1)]
"""NumPy's generators take no more."""
Distinct = Annotated[list[Item], AfterValidator(_distinct)]
"""A list that is not empty and has no element twice."""
