"""RecBole's ``Config`` without its traps: no text is evaluated, and unknown keys and wrong types are refused."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from recbole.config import Config
from recbole.utils import InputType

from recbole_idp.config.classes import known_to_recbole
from recbole_idp.config.layers import (
    COMMAND_LINE,
    CONFIG_DICT,
    SAVED,
    Layer,
    SafeYamlLoader,
)
from recbole_idp.config.resolve import option_layers, resolve, user_layers
from recbole_idp.errors import UserError

if TYPE_CHECKING:
    from recbole.model.abstract_recommender import AbstractRecommender

    from recbole_idp.config.resolve import Resolved


class StrictConfig(Config):
    """A RecBole ``Config`` whose keys are known, checked and traced to their origins.

    It does not read ``sys.argv``: options of a command line are an argument. Model and dataset decide on the defaults,
    as in RecBole.

    Attributes:
        origins (dict[str, str]): Origin of every key's value: "RecBole overall.yaml",
            "properties/model/IDP.yaml", "a.yaml", "config_dict" or "command line".
    """

    def __init__(
        self,
        model: str | None = None,
        dataset: str | None = None,
        config_file_list: list[str] | None = None,
        config_dict: dict[str, Any] | None = None,
        command_line: dict[str, Any] | None = None,
    ) -> None:
        """Read, check and merge the layers.

        Args:
            model: The model's name; None: a layer names it, or else IDP.
            dataset: The dataset's name; None: a layer names it, or else the packaged default run.
            config_file_list: YAML files, lowest first.
            config_dict: Values from a program, over the files.
            command_line: Values of options, over all others.

        Raises:
            UserError: A model, key, value or file is wrong.
        """
        self._build(resolve(user_layers(config_file_list, config_dict, command_line), model, dataset))

    @classmethod
    def from_resolved(cls, resolved: Resolved) -> StrictConfig:
        """Build a configuration from resolved layers.

        Args:
            resolved: Result of :func:`~recbole_idp.config.resolve.resolve`.

        Returns:
            The configuration.
        """
        config = cls.__new__(cls)
        config._build(resolved)
        return config

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> StrictConfig:
        """Rebuild a configuration from the result of :meth:`as_dict`.

        Args:
            values: Keys and values.

        Returns:
            The configuration.

        Raises:
            UserError: A key is not known any more, or a value is wrong.
        """
        return cls.from_resolved(resolve([Layer(SAVED, values)]))

    def varied(self, origin: str, **values: Any) -> StrictConfig:
        """Return the configuration that the same layers give with another one over them.

        Other than in a copy of the values, what follows from a value, such as the metrics of a predicted profile,
        follows from the new one.

        Args:
            origin: Where the values stand, for messages.
            **values: The values of the further layer; ``dataset`` may be among them.

        Raises:
            UserError: A key or a value is wrong.
        """
        dataset = values.pop("dataset", self["dataset"])
        return self.from_resolved(resolve([*self._resolved.layers, Layer(origin, values)], self["model"], dataset))

    def as_dict(self) -> dict[str, Any]:
        """Return the value of every key as plain JSON types, without those that RecBole computes."""
        return copy.deepcopy(self._resolved.values)

    def _build(self, resolved: Resolved) -> None:
        """Set the resolved layers, and run RecBole's constructor."""
        self._resolved = resolved
        self.origins = dict(resolved.origins)
        super().__init__(resolved.values["model"], resolved.values["dataset"])

    # RecBole's constructor calls these in turn. Each takes its part from the resolved layers.

    def _build_yaml_loader(self) -> type[SafeYamlLoader]:
        """Return the YAML loader."""
        return SafeYamlLoader

    def _convert_config_dict(self, config_dict: dict[str, Any]) -> dict[str, Any]:
        """Return values as they are, instead of evaluating their texts."""
        return config_dict

    def _load_config_files(self, file_list: list[str] | None) -> dict[str, Any]:
        """Return the values of configuration files."""
        return self._of(lambda origin: origin not in (COMMAND_LINE, CONFIG_DICT))

    def _load_variable_config_dict(self, config_dict: dict[str, Any] | None) -> dict[str, Any]:
        """Return the values of ``config_dict``."""
        return self._of(lambda origin: origin == CONFIG_DICT)

    def _load_cmd_line(self) -> dict[str, Any]:
        """Return the values of the command line."""
        return self._of(lambda origin: origin == COMMAND_LINE)

    def _load_internal_config_dict(self, model: str, model_class: type[AbstractRecommender], dataset: str) -> None:
        """Set the defaults, and the type of the model."""
        self.internal_config_dict = {**copy.deepcopy(self._resolved.defaults), "MODEL_TYPE": model_class.type}

    def _get_final_config_dict(self) -> dict[str, Any]:
        """Return all values."""
        return {**self.internal_config_dict, **copy.deepcopy(self._resolved.values)}

    def _set_default_parameters(self) -> None:
        """Let RecBole compute further values; turn its errors into UserError."""
        metrics = self.final_config_dict["metrics"]
        try:
            # RecBole looks up the kind of each metric, and has its own only.
            self.final_config_dict["metrics"] = known_to_recbole(metrics)
            super()._set_default_parameters()
        except (ValueError, TypeError, NotImplementedError, RuntimeError) as error:
            # what RecBole refuses, it refuses for what its user wrote
            raise UserError(f"RecBole refuses this configuration: {' '.join(str(error).split())}") from error
        finally:
            self.final_config_dict["metrics"] = metrics
        # RecBole derives the input type of CE and BPR alone; BCE reads the same rows as CE
        self.final_config_dict.setdefault("MODEL_INPUT_TYPE", InputType.POINTWISE)

    def _init_device(self) -> None:
        """Choose the device; RecBole would take a GPU even where ``use_gpu`` is false."""
        super()._init_device()
        if not self.final_config_dict["use_gpu"]:
            self.final_config_dict["device"] = torch.device("cpu")

    def _of(self, is_from: Callable[[str], bool]) -> dict[str, Any]:
        """Return the user's values from layers whose origin ``is_from`` accepts."""
        values = {}
        for layer in self._resolved.layers:
            if is_from(layer.origin):
                values.update(copy.deepcopy(layer.values))
        return values


def build_config(options: dict[str, str | bool]) -> StrictConfig:
    """Build the configuration of a command line.

    Without ``--model`` it is IDP's; without ``--dataset`` it is the packaged default run.

    Args:
        options: The options, as of :func:`~recbole_idp.cli.arguments.parse_arguments`.

    Returns:
        The configuration.

    Raises:
        UserError: A model, key, value or file is wrong.
    """
    return StrictConfig.from_resolved(resolve(option_layers(options)))
