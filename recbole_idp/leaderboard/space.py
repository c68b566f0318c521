"""The spaces that tuning searches: for each model the ranges of its keys, as properties/tuning.yaml writes them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recbole_idp import registry
from recbole_idp.config.layers import properties_folder, read_file
from recbole_idp.errors import UserError, nearest

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution


@dataclass(frozen=True)
class Numbers:
    """A range of numbers.

    Attributes:
        low: The lowest.
        high: The highest.
        log: Whether they are drawn by their logarithm.
        whole: Whether they are whole numbers.
    """

    low: float
    high: float
    log: bool
    whole: bool

    def holds(self, value: Any) -> bool:
        """Return whether a value lies in the range."""
        return _is_number(value) and self.low <= value <= self.high and (not self.whole or value == int(value))

    def extremes(self) -> list[Any]:
        """Return the values by which the whole range can be checked."""
        return [self.low, self.high]

    def distribution(self) -> BaseDistribution:
        """Return the range as Optuna takes it."""
        from optuna.distributions import FloatDistribution, IntDistribution

        if self.whole:
            return IntDistribution(int(self.low), int(self.high), log=self.log)
        return FloatDistribution(self.low, self.high, log=self.log)


@dataclass(frozen=True)
class Choice:
    """Values without an order.

    Attributes:
        values: The values.
    """

    values: tuple[Any, ...]

    def holds(self, value: Any) -> bool:
        """Return whether a value is one of them."""
        return value in self.values

    def extremes(self) -> list[Any]:
        """Return the values by which all can be checked."""
        return list(self.values)

    def distribution(self) -> BaseDistribution:
        """Return the values as Optuna takes them."""
        from optuna.distributions import CategoricalDistribution

        return CategoricalDistribution(self.values)


Range = Numbers | Choice
Space = dict[str, Range]


def read_spaces(file: str | Path | None) -> dict[str, Space]:
    """Read the space of every model.

    Args:
        file: A YAML file, whose models take the place of those in properties/tuning.yaml; None: there is no other.

    Returns:
        By model.

    Raises:
        UserError: A file cannot be read, or has a model or a range that is wrong.
    """
    spaces = _read(properties_folder() / "tuning.yaml", "properties/tuning.yaml")
    if file is not None:
        if not Path(file).is_file():
            raise UserError(f"tune_spaces {file} is no file: write one like properties/tuning.yaml")
        spaces |= _read(file, str(file))
    return spaces


def written(found: Range) -> dict[str, list[Any]]:
    """Return a range as it is written in YAML."""
    if isinstance(found, Choice):
        return {"choice": list(found.values)}
    names = {(True, False): "log", (False, False): "uniform", (False, True): "int", (True, True): "log_int"}
    return {names[found.log, found.whole]: [found.low, found.high]}


def _read(file: str | Path, where: str) -> dict[str, Space]:
    spaces = {}
    for model, space in read_file(file).items():
        try:
            registry.check_model(model)
        except UserError as error:
            raise UserError(f"{where}: {error}") from None
        if not isinstance(space, dict) or not space:
            raise UserError(f"{where}: {model} is {space}: write a map of its keys, such as {{learning_rate: {_LIKE}}}")
        spaces[model] = {key: _range(value, f"{where}: {key} of {model}") for key, value in space.items()}
    return spaces


def _range(value: Any, where: str) -> Range:
    """Read a range."""
    if not isinstance(value, dict) or len(value) != 1:
        raise UserError(f"{where} is {value}: write a range such as {_LIKE}, with one of {', '.join(_KINDS)}")
    ((kind, given),) = value.items()
    if kind not in _KINDS:
        close = nearest(kind, _KINDS)
        hint = f"did you mean {close[0]}?" if close else f"write one of {', '.join(_KINDS)}"
        raise UserError(f"{where} has a range of kind {kind}: {hint}")
    return _KINDS[kind](given, f"{where} is {kind}: {given}")


def _numbers(given: Any, where: str, log: bool, whole: bool) -> Numbers:
    if not isinstance(given, list) or len(given) != 2 or not all(map(_is_number, given)):
        raise UserError(f"{where}: write the lowest and the highest number, such as {_LIKE}")
    low, high = given
    if not low < high:
        raise UserError(f"{where}: the lowest has to be less than the highest")
    if log and low <= 0:
        raise UserError(f"{where}: a logarithm needs numbers above 0")
    if whole and (low != int(low) or high != int(high)):
        raise UserError(f"{where}: both have to be whole numbers")
    kind = int if whole else float
    return Numbers(kind(low), kind(high), log, whole)


def _choice(given: Any, where: str) -> Choice:
    if not isinstance(given, list) or len(given) < 2:
        raise UserError(f"{where}: write several values, such as {{choice: [64, 128]}}")
    if any(isinstance(value, (list, dict)) for value in given):
        raise UserError(f"{where}: values are numbers or words, and no lists or maps")
    if any(value in given[:number] for number, value in enumerate(given)):
        raise UserError(f"{where}: it has a value twice")
    return Choice(tuple(given))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


_LIKE = "{log: [0.0001, 0.01]}"
_KINDS: Mapping[str, Callable[[Any, str], Range]] = {
    "log": lambda given, where: _numbers(given, where, log=True, whole=False),
    "uniform": lambda given, where: _numbers(given, where, log=False, whole=False),
    "int": lambda given, where: _numbers(given, where, log=False, whole=True),
    "log_int": lambda given, where: _numbers(given, where, log=True, whole=True),
    "choice": _choice,
}
