"""The hooks into RecBole 1.2.1. Only this module knows how RecBole finds models, trainers and datasets.

RecBole finds a model in the module ``recbole.model.sequential_recommender.<name in lower case>``, its trainer in
``recbole.trainer``, its dataset in ``recbole.data.dataset`` and its defaults in its own properties folder. ``register``
adds those of registry.py to these four places. It imports no module of RecBole, which takes seconds: a module gets its
hook when it is imported.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.abc
import importlib.machinery
import importlib.metadata
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recbole_idp import compat, registry
from recbole_idp.config.columns import following
from recbole_idp.config.model_defaults import model_layers

if TYPE_CHECKING:
    import types

    import numpy as np
    from recbole.config import Config
    from recbole.data.dataset import Dataset
    from recbole.model.abstract_recommender import AbstractRecommender

_MODELS_PACKAGE = "recbole.model.sequential_recommender"
_QUICK_START = "recbole.quick_start.quick_start"


def register() -> None:
    """Hook the plugin into RecBole; further calls have no effect."""
    compat.silence_upstream_warnings()
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
    for name, hook in _HOOKS.items():
        if name in sys.modules:
            hook(sys.modules[name])


def run_recboles(rank: int, *args: Any) -> Any:
    """Run RecBole's worker of a distributed run; importing this module registers the plugin in the new process."""
    from recbole.quick_start import quick_start

    return quick_start.run_recboles.__wrapped__(rank, *args)


class _Finder:
    """Import finder of our models as modules of RecBole; also runs the hooks of ``_HOOKS`` after their modules."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Find a module for Python's import system; None leaves it to other finders."""
        if name in _HOOKS:
            return self._hooked(name, path, target)
        package, _, module = name.rpartition(".")
        if package == _MODELS_PACKAGE:
            for model, registration in registry.models().items():
                if model.lower() == module:
                    return importlib.machinery.ModuleSpec(name, _ModelLoader(model, registration))
        return None

    def _hooked(
        self, name: str, path: Sequence[str] | None, target: types.ModuleType | None
    ) -> importlib.machinery.ModuleSpec | None:
        """Find one of RecBole's modules, and let its hook run after its import."""
        if problems := compat.check_versions():
            raise ImportError(f"recbole_idp: {compat.summary(problems)}")
        specs = (finder.find_spec(name, path, target) for finder in sys.meta_path if finder is not self)
        spec = next((spec for spec in specs if spec is not None), None)
        if spec is not None:
            loader: Any = spec.loader
            execute = loader.exec_module

            def exec_module(module: types.ModuleType) -> None:
                with compat.importable_ray() if name == _QUICK_START else contextlib.nullcontext():
                    execute(module)
                _HOOKS[name](module)

            loader.exec_module = exec_module
        return spec


class _ModelLoader(importlib.abc.Loader):
    """Import loader of a module that holds one model class, so that the class keeps a single identity."""

    def __init__(self, name: str, registration: registry.Registration) -> None:
        self.name, self.registration = name, registration

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> None:
        """Let Python create an empty module."""

    def exec_module(self, module: types.ModuleType) -> None:
        """Put the model class into the module under its registered name."""
        setattr(module, self.name, registry.resolve(self.registration.model))


def _hook_classes(module: Any, suffix: str, field: str) -> None:
    """Make ``getattr(module, <model name> + suffix)`` return a registered model's class, imported on demand."""
    if hasattr(module, "__getattr__"):
        return

    def __getattr__(name: str) -> Any:
        registration = registry.models().get(name.removesuffix(suffix)) if name.endswith(suffix) else None
        if registration is None:
            raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}")
        return registry.resolve(getattr(registry.described(registration), field))

    module.__getattr__ = __getattr__


def _hook_config(module: Any) -> None:
    """Make RecBole's ``Config`` read the plugin's YAML files of registered models, over its own; see also compat.py.

    Keys that such a model does not know, or that do not work with it, are refused.
    """
    compat.mend_config(module)
    original = module.Config._load_internal_config_dict
    if hasattr(original, "__wrapped__"):
        return

    @functools.wraps(original)
    def load(self: Config, model: str, model_class: type[AbstractRecommender], dataset: str) -> None:
        original(self, model, model_class, dataset)
        if model in registry.models():
            for layer in model_layers(model, dataset):
                self.internal_config_dict.update(layer.values)
            _follow_columns(self)
            registry.resolve("recbole_idp.config.given:check_given")(model, dataset, self)

    module.Config._load_internal_config_dict = load


def _follow_columns(config: Config) -> None:
    """Let the default of ``load_col`` follow the keys that name an event's columns."""
    defaults, given = config.internal_config_dict, config.external_config_dict
    if "load_col" not in given:
        defaults["load_col"] = following(defaults.get("load_col"), defaults, {**defaults, **given})


def _hook_workers(module: Any) -> None:
    """Make a spawned worker (``--nproc``) import the plugin: it unpickles the function by the name of its module."""
    if module.run_recboles is not run_recboles:
        run_recboles.__wrapped__ = module.run_recboles  # type: ignore[attr-defined]  # as functools.wraps does
        module.run_recboles = run_recboles


def _hook_loading(module: Any) -> None:
    """Make RecBole's ``load_data_and_model`` open our checkpoints, which are safetensors; others open as before."""
    original = module.load_data_and_model
    if hasattr(original, "__wrapped__"):
        return

    @functools.wraps(original)
    def load_data_and_model(model_file: str | Path) -> tuple[Any, ...]:
        if str(model_file).endswith(".safetensors"):
            return registry.resolve("recbole_idp.run.restore:load_data_and_model")(model_file)
        return original(model_file)

    module.load_data_and_model = load_data_and_model
    package: Any = sys.modules.get("recbole.quick_start")
    if getattr(package, "load_data_and_model", None) is original:
        package.load_data_and_model = load_data_and_model


def _hook_data(module: Any) -> None:
    """Stop RecBole from unpickling saved datasets and splits, which lie in ``checkpoint_dir`` by predictable names.

    This holds for registered models, and for every configuration of the plugin.
    """
    if hasattr(module.create_dataset, "__wrapped__"):
        return
    create, load = module.create_dataset, module.load_split_dataloaders

    @functools.wraps(create)
    def create_dataset(config: Config) -> Dataset:
        if config["model"] in registry.models():
            return getattr(importlib.import_module("recbole.data.dataset"), config["model"] + "Dataset")(config)
        return create(config)

    @functools.wraps(load)
    def load_split_dataloaders(config: Config) -> tuple[Any, ...] | None:
        from recbole_idp.config.strict import StrictConfig

        if config["model"] in registry.models() or isinstance(config, StrictConfig):
            return None
        return load(config)

    module.create_dataset, module.load_split_dataloaders = create_dataset, load_split_dataloaders
    for name in ("recbole.data", _QUICK_START):
        if getattr(sys.modules.get(name), "create_dataset", None) is create:
            package: Any = sys.modules[name]
            package.create_dataset = create_dataset


def _hook_quick_start(module: Any) -> None:
    """Hook workers and loading in RecBole's quick start."""
    _hook_workers(module)
    _hook_loading(module)


def _hook_sampler(module: Any) -> None:
    """Let the users of a sampler that keeps no items share one empty set.

    RecBole makes a set for each of them, of 216 bytes, in both samplers of a split, and reads them only.
    """

    def get_used_ids(self: Any) -> np.ndarray:
        used = module.np.empty(self.user_num, dtype=object)
        used.fill(set())
        return used

    module.RepeatableSampler.get_used_ids = get_used_ids


_HOOKS: dict[str, Callable[[types.ModuleType], None]] = {
    "recbole.config.configurator": _hook_config,
    "recbole.trainer": functools.partial(_hook_classes, suffix="Trainer", field="trainer"),
    "recbole.data.dataset": functools.partial(_hook_classes, suffix="Dataset", field="dataset"),
    "recbole.data.dataset.dataset": compat.mend_dataset,
    "recbole.data.dataset.kg_dataset": compat.mend_lengths,
    "recbole.data.dataset.sequential_dataset": compat.mend_lengths,
    "recbole.data.utils": _hook_data,
    "recbole.sampler.sampler": _hook_sampler,
    _QUICK_START: _hook_quick_start,
}
