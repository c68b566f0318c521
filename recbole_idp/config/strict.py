"""RecBole's ``Config`` without its traps: nothing is evaluated, unknown keys and wrong types are refused."""

import copy

from recbole.config import Config
from recbole.utils import InputType

from recbole_idp.config.layers import (
    COMMAND_LINE,
    CONFIG_DICT,
    SAVED,
    Layer,
    SafeYamlLoader,
)
from recbole_idp.config.resolve import option_layers, resolve, user_layers
from recbole_idp.errors import UserError


class StrictConfig(Config):
    """A RecBole ``Config`` whose every key is known, checked and traced to its origin.

    It reads no ``sys.argv``; options of a command line are handed in. Models and datasets given here or in a layer
    decide on the defaults, as in RecBole.

    Attributes:
        origins (dict[str, str]): Where every key's value comes from: "RecBole overall.yaml",
            "properties/model/IDP.yaml", "a.yaml", "config_dict" or "command line".
    """

    def __init__(self, model=None, dataset=None, config_file_list=None, config_dict=None, command_line=None):
        """Reads and checks the layers.

        Args:
            model (str | None): The model's name; None: a layer names it, or else IDP.
            dataset (str | None): The dataset's name; None: a layer names it, or else the packaged default run.
            config_file_list (list[str] | None): YAML files, lowest first.
            config_dict (dict[str, Any] | None): Values from a program, over the files.
            command_line (dict[str, Any] | None): Values of options, over all others.

        Raises:
            UserError: A model, key, value or file is wrong.
        """
        self._build(resolve(user_layers(config_file_list, config_dict, command_line), model, dataset))

    @classmethod
    def from_resolved(cls, resolved):
        """Builds a configuration from layers that are resolved already.

        Args:
            resolved (Resolved): What ``settings.resolve`` returns.

        Returns:
            StrictConfig: The configuration.
        """
        config = cls.__new__(cls)
        config._build(resolved)
        return config

    @classmethod
    def from_dict(cls, values):
        """Rebuilds a configuration from what ``as_dict`` returned.

        Args:
            values (dict[str, Any]): Keys and values.

        Returns:
            StrictConfig: The configuration.

        Raises:
            UserError: A key is not known any more, or a value does not suit it.
        """
        return cls.from_resolved(resolve([Layer(SAVED, values)]))

    def as_dict(self):
        """Returns every key's value as plain JSON types, without what RecBole computes from them."""
        return copy.deepcopy(self._resolved.values)

    def _build(self, resolved):
        self._resolved = resolved
        self.origins = dict(resolved.origins)
        super().__init__(resolved.values["model"], resolved.values["dataset"])

    # RecBole's constructor calls these in turn. Each takes its part from the resolved layers.

    def _build_yaml_loader(self):
        return SafeYamlLoader

    def _convert_config_dict(self, config_dict):
        return config_dict

    def _load_config_files(self, file_list):
        return self._of(lambda origin: origin not in (COMMAND_LINE, CONFIG_DICT))

    def _load_variable_config_dict(self, config_dict):
        return self._of(lambda origin: origin == CONFIG_DICT)

    def _load_cmd_line(self):
        return self._of(lambda origin: origin == COMMAND_LINE)

    def _load_internal_config_dict(self, model, model_class, dataset):
        self.internal_config_dict = {**copy.deepcopy(self._resolved.defaults), "MODEL_TYPE": model_class.type}

    def _get_final_config_dict(self):
        return {**self.internal_config_dict, **copy.deepcopy(self._resolved.values)}

    def _set_default_parameters(self):
        try:
            super()._set_default_parameters()
        except (ValueError, TypeError, NotImplementedError, RuntimeError) as error:
            # what RecBole refuses, it refuses for what its user wrote
            raise UserError(f"RecBole refuses this configuration: {' '.join(str(error).split())}") from error
        # RecBole derives the input type of CE and BPR alone; BCE reads the same rows as CE
        self.final_config_dict.setdefault("MODEL_INPUT_TYPE", InputType.POINTWISE)

    def _of(self, wanted):
        """Returns the user's values whose origin is ``wanted``."""
        values = {}
        for layer in self._resolved.layers:
            if wanted(layer.origin):
                values.update(copy.deepcopy(layer.values))
        return values


def build_config(options):
    """Builds the configuration that the command line asks for.

    Without ``--model`` it is IDP's; without ``--dataset`` it is the packaged default run.

    Args:
        options (dict[str, str | bool]): The options as ``parse_arguments`` returns them.

    Returns:
        StrictConfig: The configuration.

    Raises:
        UserError: A model, key, value or file is wrong.
    """
    return StrictConfig.from_resolved(resolve(option_layers(options)))
