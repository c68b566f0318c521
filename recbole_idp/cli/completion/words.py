"""The words that a shell completes: tasks, their keys, and the choices of keys, as they are declared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from recbole_idp import registry
from recbole_idp.cli.arguments import SWITCHES
from recbole_idp.cli.completion import SHELLS
from recbole_idp.config.declarations import model_settings
from recbole_idp.config.resolve import DEFAULT_DATASET, DEFAULT_MODEL
from recbole_idp.config.setting import Setting, declared_by
from recbole_idp.data.catalog import available

_ANY = "*"
NAME_DATASETS = ("dataset", "source_domains")
"""Keys whose values are names of datasets."""


class Words(NamedTuple):
    """What a shell can write.

    Attributes:
        tasks: The tasks, and what each does.
        arguments: Words that may follow a task without being options.
        modelled: The tasks that take the keys of a model.
        task_keys: Keys of a task of its own.
        common: Keys that every model has.
        model_keys: Further keys of a model.
        choices: (task, model, key) -> the values that it takes, the most particular first; ``*`` stands for all.
        listed: Keys that take several values, with commas.
        datasets: Names of datasets that need not be on disk.
        default_model: The model if none is given.
        switches: Options without a value.
    """

    tasks: dict[str, str]
    arguments: dict[str, list[str]]
    modelled: list[str]
    task_keys: dict[str, list[str]]
    common: list[str]
    model_keys: dict[str, list[str]]
    choices: dict[tuple[str, str, str], list[str]]
    listed: list[str]
    datasets: list[str]
    default_model: str = DEFAULT_MODEL
    switches: tuple[str, ...] = SWITCHES

    def lists(self) -> dict[str, Iterable[str]]:
        """Return the lists that every script keeps in a variable, by name."""
        return {
            "tasks": self.tasks,
            "model": [self.default_model],
            "switches": self.switches,
            "listed": self.listed,
            "name_datasets": NAME_DATASETS,
            "datasets": self.datasets,
        }


def completed_words() -> Words:
    """Collect the words from the declarations."""
    # tasks.py has completion among its tasks.
    from recbole_idp.cli.tasks import TASKS

    models = [*sorted(registry.models()), *registry.recbole_models(), *registry.GENERAL_MODELS]
    of_models = {model: model_settings(model, DEFAULT_DATASET) for model in models}
    of_tasks = {name: _settings([*task.keys, *task.kinds.values()]) for name, task in TASKS.items()}
    common = set.intersection(*(set(settings) for settings in of_models.values()))
    choices: dict[tuple[str, str, str], list[str]] = {}
    for name, settings in of_tasks.items():
        if not TASKS[name].others:
            choices |= {(name, _ANY, key): found for key, one in settings.items() if (found := _values([one]))}
    shared: dict[str, list[Setting]] = {}
    for settings in (*of_models.values(), *(of_tasks[name] for name in TASKS if TASKS[name].others)):
        for key, setting in settings.items():
            shared.setdefault(key, []).append(setting)
    for key, declared in shared.items():
        everywhere = _values(declared)
        for model, settings in of_models.items():
            if key in settings and (own := _values([settings[key]])) and own != everywhere:
                choices[_ANY, model, key] = own
        if everywhere:
            choices[_ANY, _ANY, key] = everywhere
    choices[_ANY, _ANY, "model"] = models
    every = [*(one for found in shared.values() for one in found)]
    every += [one for settings in of_tasks.values() for one in settings.values()]
    return Words(
        tasks={name: task.purpose for name, task in TASKS.items()},
        arguments={"keys": models, "help": list(TASKS), "completion": list(SHELLS)},
        modelled=[name for name, task in TASKS.items() if task.others and name != "help"],
        task_keys={name: sorted(settings) for name, settings in of_tasks.items() if settings},
        common=sorted({*common, "config_files", "model", "dataset"}),
        model_keys={model: sorted(settings.keys() - common) for model, settings in of_models.items()},
        choices=choices,
        listed=sorted({"model", "dataset", *(one.name for one in every if one.element is not None)}),
        datasets=[row.name for row in available("")],
    )


def _settings(groups: Iterable[str]) -> Mapping[str, Setting]:
    """Return the settings of some groups by key; a key that two have takes what either takes."""
    return {key: one for group in groups for key, one in declared_by(registry.resolve(group)).items()}


def _values(declared: Iterable[Setting]) -> list[str]:
    """Return the values that declarations of a key allow; empty where these are not words."""
    found: dict[str, None] = {}
    for setting in declared:
        found.update(dict.fromkeys(map(str, setting.words)))
        if bool in setting.alternatives:
            found.update(dict.fromkeys(("true", "false")))
    return list(found)


def script(name: str) -> str:
    """Return the part of a script that is the same whatever the words."""
    return (Path(__file__).parent / name).read_text(encoding="utf-8")
