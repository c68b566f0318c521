"""The YAML files that a configuration is made of, read safely and without importing RecBole."""

from __future__ import annotations

import copy
import functools
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from recbole_idp.compat import recbole_folder
from recbole_idp.errors import UserError, nearest

COMMAND_LINE = "command line"
CONFIG_DICT = "config_dict"
SAVED = "saved configuration"

# RecBole reads quick_start_config/sequential.yaml for a sequential model, with these exceptions.
_QUICK_START = {
    "DIN": "sequential_DIN",
    "DIEN": "sequential_DIN",
    "GRU4RecKG": "sequential_embedding_model",
    "KSR": "sequential_embedding_model",
}
_FEATURE_MODELS = ("GRU4RecF", "SASRecF", "FDSA", "S3Rec")


class Layer(NamedTuple):
    """Some values and where they stand.

    Attributes:
        origin: A file name, or ``COMMAND_LINE``, ``CONFIG_DICT`` or ``SAVED``.
        values: The values by key.
    """

    origin: str
    values: dict[str, Any]

    @property
    def place(self) -> str:
        """The origin as part of a sentence: "on the command line", "in a.yaml"."""
        return f"on the {self.origin}" if self.origin == COMMAND_LINE else f"in {self.origin}"


_MOST_CHARACTERS = 1 << 20
_MOST_KEPT_CHARACTERS = 50_000
_MOST_VALUES = 100_000


class SafeYamlLoader(yaml.SafeLoader):
    """YAML loader of plain data that refuses duplicate keys, and reads 1e-3 as a float as RecBole does."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Build a dict, and refuse duplicate keys, of which YAML would silently keep the last."""
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, (dict, list)):
                raise yaml.constructor.ConstructorError(None, None, "a key is a list or a map", key_node.start_mark)
            if key in seen and key_node.tag != "tag:yaml.org,2002:merge":
                raise yaml.constructor.ConstructorError(None, None, f"duplicate key '{key}'", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Merge maps, and refuse so many that they would fill the memory."""
        for key, merged in node.value:
            if key.tag == "tag:yaml.org,2002:merge" and isinstance(merged, yaml.SequenceNode) and len(merged.value) > 9:
                raise yaml.constructor.ConstructorError(None, None, "more than 9 maps are merged", key.start_mark)
        super().flatten_mapping(node)
        if len(node.value) > _MOST_VALUES // 10:
            raise yaml.constructor.ConstructorError(None, None, "merged maps are too large", node.start_mark)


# A date would be no JSON value, and no key expects one: 2018-01-01 stays text.
SafeYamlLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
# YAML 1.1 wants a dot in a float; this is RecBole's addition, so that 1e-3 means the same here.
SafeYamlLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(
        r"""^(?:[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?
        |[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+
        |\.[0-9_]+(?:[eE][-+][0-9]+)?
        |[-+]?\.(?:inf|Inf|INF)
        |\.(?:nan|NaN|NAN))$""",
        re.VERBOSE,
    ),
    list("-+0123456789."),
)


def properties_folder() -> Path:
    """Return the folder of the plugin's YAML files, in a checkout or an installed wheel."""
    package = Path(__file__).parents[1]
    installed = package / "properties"
    return installed if installed.is_dir() else package.parent / "properties"


def parse_yaml(text: str) -> Any:
    """Read one YAML value.

    Args:
        text: For example "0.1", "[5, 10]" or "{LS: valid_and_test}".

    Returns:
        The value, of plain types only.

    Raises:
        yaml.YAMLError: The text is not YAML.
        ValueError: The text looks like a number but is none, such as 0b2.
    """
    if len(text) > _MOST_CHARACTERS:
        raise ValueError(f"more than {_MOST_CHARACTERS:,} characters")
    try:
        if len(text) > _MOST_KEPT_CHARACTERS:
            return _parsed(text)
        # A copy: what is done with one value must not show in the next.
        return copy.deepcopy(_parsed_once(text))
    except RecursionError:
        raise ValueError("nested too deep, or in itself") from None


@functools.lru_cache(maxsize=256)
def _parsed_once(text: str) -> Any:
    """Return the value of a text. A process reads the same files of defaults many times, and parsing takes long."""
    return _parsed(text)


def _parsed(text: str) -> Any:
    value = yaml.load(text, Loader=SafeYamlLoader)
    size = _size(value, {})
    if size > _MOST_VALUES:
        raise ValueError(f"more than {_MOST_VALUES:,} values where its aliases are written out")
    return value


def _size(value: Any, known: dict[int, int]) -> int:
    """Return how many values a value has inside, what an alias names counting each time."""
    if not isinstance(value, (dict, list)):
        return 1
    if id(value) not in known:
        inner = value.values() if isinstance(value, dict) else value
        known[id(value)] = 1 + sum(_size(part, known) for part in inner)
    return known[id(value)]


def read_file(path: str | Path) -> dict[str, Any]:
    """Read a YAML file of keys and values.

    Args:
        path: The file.

    Returns:
        The values; empty for an empty file.

    Raises:
        UserError: The file cannot be read, or is no map of keys and values.
    """
    try:
        with open(path, encoding="utf-8-sig") as file:
            values = parse_yaml(file.read(_MOST_CHARACTERS + 1))
    except FileNotFoundError:
        raise UserError(f"configuration file {path} does not exist: check --config_files") from None
    except OSError as error:
        raise UserError(f"cannot read configuration file {path} ({error.strerror}): check --config_files") from None
    except UnicodeDecodeError:
        raise UserError(f"configuration file {path} is not UTF-8 text: save it as UTF-8") from None
    except yaml.YAMLError as error:
        raise UserError(f"{_position(path, error)}: {_reason(error)}: write 'key: value', indented by spaces") from None
    except ValueError as error:
        raise UserError(f"{path}: {error}: put quotation marks around text that looks like a number") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise UserError(f"{path} holds a {type(values).__name__} at top level: write lines of the form 'key: value'")
    for key in values:
        if not isinstance(key, str):
            raise UserError(f"key {key!r} in {path} is not text: put quotation marks around it, or remove it")
    return values


def recbole_layers(model: str, dataset: str) -> list[Layer]:
    """Return RecBole's own defaults for a sequential model, lowest first.

    Args:
        model: A model's name; RecBole may not know it.
        dataset: A dataset's name; RecBole may not know it.

    Returns:
        The layers that RecBole's ``Config`` would read, in its order.
    """
    names = ["overall", f"model/{model}", "dataset/sample", f"dataset/{dataset}"]
    names.append(f"quick_start_config/{_QUICK_START.get(model, 'sequential')}")
    if dataset == "ml-100k":
        if model in ("DIN", "DIEN"):
            names.append("quick_start_config/sequential_DIN_on_ml-100k")
        elif model in _FEATURE_MODELS:
            names.append("quick_start_config/special_sequential_on_ml-100k")
    return _existing(recbole_folder() / "properties", "RecBole ", names)


def plugin_layers(models: dict[str, str | Path | None], dataset: str) -> list[Layer]:
    """Return the plugin's defaults, lowest first.

    Args:
        models: Names of a model and of those that it extends, lowest first, each with its YAML file if another package
            brings it.
        dataset: A dataset's name.

    Returns:
        The layers of overall.yaml, the models' files and the dataset's file, if they exist.
    """
    folder = properties_folder()
    layers = _existing(folder, "properties/", ["overall"])
    for model, file in models.items():
        if file is None:
            layers += _existing(folder, "properties/", [f"model/{model}"])
        else:
            layers.append(Layer(str(file), read_file(file)))
    return layers + _existing(folder, "properties/", [f"dataset/{dataset}"])


def protocol_layers(protocol: str | None) -> list[Layer]:
    """Return the layer of a protocol's file; none without a protocol.

    Args:
        protocol: Its name.

    Raises:
        UserError: There is no such file.
    """
    if protocol is None:
        return []
    folder = properties_folder() / "protocol"
    known = sorted(path.stem for path in folder.glob("*.yaml"))
    if protocol not in known:
        close = nearest(protocol, known)
        hint = f"did you mean {close[0]}?" if close else f"choose one of {', '.join(known)}"
        raise UserError(f"protocol {protocol!r} is none of the files of {folder}: {hint}")
    return _existing(folder, "properties/protocol/", [protocol])


def _existing(folder: Path, prefix: str, names: Iterable[str]) -> list[Layer]:
    """Read those of the files ``names`` in ``folder`` that exist."""
    paths = {name: folder / f"{name}.yaml" for name in names if ".." not in name}
    return [Layer(f"{prefix}{name}.yaml", read_file(path)) for name, path in paths.items() if os.path.isfile(path)]


def _position(path: str | Path, error: yaml.YAMLError) -> str:
    """Return file and line of an error."""
    mark = error.problem_mark if isinstance(error, yaml.MarkedYAMLError) else None
    return f"{path}, line {mark.line + 1}" if mark else str(path)


def _reason(error: yaml.YAMLError) -> str:
    """Return what is wrong with a YAML file in one line."""
    problem = str(error)
    if isinstance(error, yaml.MarkedYAMLError):
        problem = error.problem or problem
    elif isinstance(error, yaml.reader.ReaderError):
        problem = error.reason
    if r"'\t'" in problem:
        return "a tab stands where YAML wants spaces"
    return f"not valid YAML ({' '.join(str(problem).split())})"
