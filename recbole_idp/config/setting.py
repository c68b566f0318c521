"""Declare a setting once: type, limits, default, help, and what it affects.

A system declares its settings beside itself, as a class of fields:

    class MatchingSettings(Settings):
        top_m: Count = setting(10, "default: source items that a target item is made of.", Affects.TRAINING)

From the declarations follow the check of YAML files and of the command line (config/checks.py), the task ``keys``, the
reference pages, the JSON schema for editors, and the fingerprints (config/fingerprint.py). The files in properties/
hold the values that a run reads; a test holds them equal to the declarations.
"""

import enum
import functools
import inspect
import operator
import types
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import annotated_types
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError
from typing_extensions import Self


class Affects(enum.Flag):
    """What changes where a setting changes. A setting without a declaration affects all of it."""

    NOTHING = 0
    """No number and no folder: where things lie, what is shown, how fast it goes."""
    PRETRAINING = enum.auto()
    """What is learned from source domains before the target is seen."""
    TRAINING = enum.auto()
    """What is learned from the target, and what that starts from."""
    EVALUATION = enum.auto()
    """What is measured."""
    STUDY = enum.auto()
    """A study of a task of its own (``warm-up``), beside runs."""
    OUTPUT = enum.auto()
    """What a run or a task leaves or shows, besides its numbers."""
    ALL = PRETRAINING | TRAINING | EVALUATION
    """Every number."""


class Settings(BaseModel):
    """A group of settings, as typed values. Declare its fields with :func:`setting`."""

    model_config = ConfigDict(strict=True, frozen=True)

    @classmethod
    def of(cls, config: Any) -> Self:
        """Take the group's values out of a configuration.

        Args:
            config (Mapping[str, Any]): RecBole's ``Config`` or a dict; it may hold other keys as well.

        Returns:
            Self: The values.
        """
        return cls(**{name: config[name] for name in cls.model_fields})


def setting(default: Any, help: str, affects: Affects = Affects.ALL) -> Any:
    """Declare a field of :class:`Settings`.

    Args:
        default (Any): The default, as the YAML file has it.
        help (str): One sentence. It begins with "paper:" where the default is the paper's own value, and with
            "default:" where the paper is silent or has another one.
        affects (Affects): What changes where the value changes.

    Returns:
        Any: The field.
    """
    return Field(default, description=help, json_schema_extra={"affects": affects.value})


@dataclass(frozen=True)
class Setting:
    """What is known of a key.

    Attributes:
        name (str): The key.
        annotation (Any): Its type, with limits.
        default (Any): A default value to show; None where there is none.
        help (str): One sentence; empty for a key of RecBole that is not declared.
        affects (Affects): What changes where the value changes.
        owner (str): The module that declares it; empty where none does.
    """

    name: str
    annotation: Any
    default: Any = None
    help: str = ""
    affects: Affects = Affects.ALL
    owner: str = field(default="", compare=False)

    @classmethod
    def declared(cls, name: str, info: FieldInfo, owner: str) -> Self:
        """Make a setting of a field of :class:`Settings`."""
        annotation = info.annotation
        if info.metadata:
            annotation = Annotated[(annotation, *info.metadata)]
        affects = Affects(info.json_schema_extra["affects"])
        return cls(name, annotation, info.default, info.description or "", affects, owner)

    @classmethod
    def observed(cls, name: str, values: list) -> Self:
        """Make a setting of a key that is not declared, from the defaults that RecBole's YAML files give it."""
        kinds = [type(value) for value in values if value is not None]
        filled = [value for value in values if value is not None]
        alternatives = [_element_type(kind, filled) for kind in dict.fromkeys(kinds)]
        if not alternatives:
            return cls(name, Any)
        if len(filled) < len(values):
            alternatives.append(type(None))
        return cls(name, functools.reduce(operator.or_, alternatives), filled[-1])

    @property
    def from_paper(self) -> bool:
        """bool: Whether the default is the paper's own value."""
        return self.help.startswith("paper:")

    @cached_property
    def adapter(self) -> TypeAdapter:
        """TypeAdapter: Pydantic's check of a value."""
        return TypeAdapter(self.annotation, config=ConfigDict(strict=True))

    @cached_property
    def alternatives(self) -> tuple:
        """tuple: The plain types that it takes, ``None`` among them; empty: anything."""
        return tuple(dict.fromkeys(_plain(part) for part in _parts(self.annotation)))

    @cached_property
    def element(self) -> Any:
        """Any: The type of a list's elements with its limits; None where it is no list, or takes anything."""
        for part in _parts(self.annotation):
            if _plain(part) is list and (found := get_args(_bare(part))):
                return found[0]
        return None

    @cached_property
    def words(self) -> tuple[str, ...]:
        """tuple[str, ...]: The words that it, or each element of its list, takes; empty: any text."""
        places = [*_parts(self.annotation), *([self.element] if self.element is not None else [])]
        return next((get_args(_bare(part)) for part in places if get_origin(_bare(part)) is Literal), ())

    def type_name(self) -> str:
        """Return the type in the words of the YAML files, such as "list of int or None"."""
        return " or ".join(_name(part) for part in _parts(self.annotation)) or "anything"


def declared_by(group: type[Settings]) -> dict[str, Setting]:
    """Return the settings that a group declares, those of the groups that it extends included, by their keys."""
    return {name: Setting.declared(name, info, _owner(group, name)) for name, info in group.model_fields.items()}


def _owner(group, name):
    """Return the module of the class that declares a field last."""
    return next(cls.__module__ for cls in group.__mro__ if name in inspect.get_annotations(cls))


def _bare(annotation):
    """Return an annotation without its limits."""
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def _parts(annotation):
    """Return the alternatives of an annotation; none for ``Any``."""
    bare = _bare(annotation)
    if bare is Any:
        return ()
    if get_origin(bare) in (Union, types.UnionType):
        return tuple(part for alternative in get_args(bare) for part in _parts(alternative))
    return (annotation,)


def _plain(part):
    """Return the plain type of one alternative: list for list[int], str for a Literal, None for NoneType."""
    bare = _bare(part)
    if bare is type(None):
        return None
    origin = get_origin(bare)
    return str if origin is Literal else origin or bare


def _name(part):
    plain = _plain(part)
    if plain is None:
        return "None"
    arguments = get_args(_bare(part))
    if plain is list and arguments:
        inner = " or ".join(_name(alternative) for alternative in _parts(arguments[0]))
        return f"list of {'lists' + inner.removeprefix('list') if inner.startswith('list') else inner}"
    return plain.__name__


def _element_type(kind, values):
    """Return list[int] for lists of whole numbers, and the type itself for other values."""
    if kind is not list:
        return kind
    elements = {type(element) for value in values if isinstance(value, list) for element in value}
    return list[elements.pop()] if len(elements) == 1 else list


# Types with limits, as declarations use them.

Item = TypeVar("Item")


def _distinct(value):
    """Check that a list names something, and nothing twice."""
    if not value:
        raise PydanticCustomError("empty", "is empty")
    for element in value:
        if value.count(element) > 1:
            raise PydanticCustomError("twice", "has {element} twice", {"element": element})
    return value


Count = Annotated[int, annotated_types.Ge(1)]
Layers = Annotated[int, annotated_types.Ge(1), annotated_types.Le(1000)]
"""More would be made one after the other until the memory is full; more threads make OpenMP end the process."""
Natural = Annotated[int, annotated_types.Ge(0)]
Number = Annotated[float, annotated_types.Ge(0), Field(allow_inf_nan=False)]
Positive = Annotated[float, annotated_types.Gt(0), Field(allow_inf_nan=False)]
Share = Annotated[float, annotated_types.Ge(0), annotated_types.Le(1)]
PositiveShare = Annotated[float, annotated_types.Gt(0), annotated_types.Le(1)]
Dropout = Annotated[float, annotated_types.Ge(0), annotated_types.Lt(1)]
"""With all dropped out there is no result."""
Seed = Annotated[int, annotated_types.Ge(0), annotated_types.Le(2**32 - 1)]
"""NumPy's generators take no more."""
Distinct = Annotated[list[Item], AfterValidator(_distinct)]
"""A list that names at least one thing, and nothing twice."""
