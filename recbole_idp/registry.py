"""The hooks into RecBole 1.2.1. Nothing else in the plugin knows how RecBole looks things up.

RecBole finds a model in the module ``recbole.model.sequential_recommender.<name in lower case>``, its trainer in
``recbole.trainer``, its dataset in ``recbole.data.dataset`` and its defaults in its own properties folder. ``register``
adds ours to these four places. It imports no module of RecBole, which takes seconds: a module that is not imported yet
gets its hook when it is. Other packages are imported inside functions, so that ``import recbole_idp`` works where they
are missing or too new, and the command line can say so.
"""

import contextlib
import functools
import importlib
import importlib.machinery
import importlib.metadata
import sys
from typing import Any, NamedTuple

from recbole_idp import compat
from recbole_idp.errors import UserError, nearest

ENTRY_POINTS = "recbole_idp.models"
"""The group of entry points through which other packages bring models: the name of a model -> its class."""

GENERAL_MODELS = ("ItemKNN", "Pop")
"""RecBole's models that know no order and learn nothing, for comparison."""

_MODELS_PACKAGE = "recbole.model.sequential_recommender"
_QUICK_START = "recbole.quick_start.quick_start"


class Registration(NamedTuple):
    """What RecBole has to find for a model. Classes are given as "module:Class" and imported when they are asked for.

    Attributes:
        model (str | type): The model's class.
        trainer (str | type): The trainer's class.
        dataset (str | type): The dataset's class.
        properties (str | None): A YAML file of defaults; None: the file in the plugin's own folder.
        package (str): The distribution that brings the model.
        extends (str | None): The registered model whose defaults lie below this one's, whose file holds what differs.
        transfers (bool): Whether the model takes something over from source domains.
    """

    model: Any
    trainer: Any = "recbole_idp.train.trainer:SequenceTrainer"
    dataset: Any = "recbole_idp.data.dataset:SequenceDataset"
    properties: Any = None
    package: str = "recbole_idp"
    extends: Any = None
    transfers: bool = False


_TARGETED = "recbole_idp.models.precise.targeted_data:TargetedDataset"
_idp = functools.partial(Registration, trainer="recbole_idp.models.idp.transfer:TransferTrainer", transfers=True)
_unisrec = functools.partial(Registration, trainer="recbole_idp.models.unisrec.trainer:UniSRecTrainer", transfers=True)
_precise = functools.partial(Registration, dataset=_TARGETED)
_universal = functools.partial(_precise, trainer="recbole_idp.models.precise.trainer:PreciseTrainer", transfers=True)

MODELS = {
    "IDP": _idp("recbole_idp.models.idp.model:IDP"),
    "IDP_IDt": _idp("recbole_idp.models.idp.id_plus_text:IDP_IDt", extends="IDP"),
    "IDP_BERT4Rec": _idp("recbole_idp.models.idp.bert4rec:IDP_BERT4Rec", extends="IDP"),
    "IDP_GRU4Rec": _idp("recbole_idp.models.idp.gru4rec:IDP_GRU4Rec", extends="IDP"),
    "IDP_BS": _idp("recbole_idp.models.idp.bert4rec:IDP_BERT4Rec", extends="IDP_BERT4Rec"),
    "PositionSASRec": Registration("recbole_idp.models.sasrec.position_sasrec:PositionSASRec"),
    "TextPCASASRec": Registration("recbole_idp.models.idp.text_pca:TextPCASASRec", extends="PositionSASRec"),
    "MoRec": Registration("recbole_idp.models.morec.model:MoRec", extends="PositionSASRec"),
    "TCF": Registration("recbole_idp.models.tcf.model:TCF", extends="MoRec"),
    "UniSRec": _unisrec("recbole_idp.models.unisrec.model:UniSRec", extends="PositionSASRec"),
    "UniSRec_IDt": _unisrec("recbole_idp.models.unisrec.model:UniSRec_IDt", extends="UniSRec"),
    "PRECISE": _universal("recbole_idp.models.precise.model:PRECISE"),
    "PRECISE_UT": _universal("recbole_idp.models.precise.model:PRECISE_UT", extends="PRECISE"),
    "PRECISE_TT": _precise(
        "recbole_idp.models.precise.model:PRECISE_TT",
        "recbole_idp.models.precise.trainer:TargetedTrainer",
        extends="PRECISE",
    ),
}
"""The plugin's own models by name. A new one is a line here, a class and a file in properties/model/."""


def register():
    """Hooks the plugin into RecBole; further calls change nothing."""
    compat.silence_upstream_warnings()
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
    for name, hook in _HOOKS.items():
        if name in sys.modules:
            hook(sys.modules[name])


def add_model(model, trainer=None, dataset=None, properties=None, extends=None, transfers=None):
    """Makes a model class known to RecBole for this process, as a notebook wants it.

    Args:
        model (type): A RecBole sequential recommender; its class name becomes the model's name.
        trainer (type | None): Its trainer; None: the class's attribute ``trainer``, or else the plugin's.
        dataset (type | None): Its dataset; None: the class's attribute ``dataset``, or else the plugin's.
        properties (str | None): Its YAML file of defaults; None: the class's attribute ``properties``, or else none.
        extends (str | None): The model whose defaults lie below; None: the class's attribute ``extends``, or else none.
        transfers (bool | None): Whether it takes something over from source domains; None: the class's attribute
            ``transfers``, or else False.

    Returns:
        type: The model class, so that this works as a decorator.

    Raises:
        UserError: RecBole or the plugin has a model of this name.
    """
    if (taken := _taken(model.__name__)) is not None:
        raise UserError(f"a model {taken} exists already: give the class {model.__name__} another name")
    given = {"trainer": trainer, "dataset": dataset, "properties": properties, "extends": extends}
    given["transfers"] = transfers
    given = {field: value for field, value in given.items() if value is not None}
    _added[model.__name__] = _described(Registration(model, package=""))._replace(**given, package="this process")
    return model


def models():
    """Returns the registered models: the plugin's, those of other packages, and those added in this process.

    Returns:
        dict[str, Registration]: Registrations by model name.
    """
    return {**_foreign_models()[0], **_added, **MODELS}


def clashes():
    """Returns the entry points that are left out because their name is taken, as one line each."""
    return _foreign_models()[1]


def recbole_models():
    """Returns the names of RecBole's own sequential models, without importing them.

    Returns:
        list[str]: The names, sorted.
    """
    from recbole_idp.config.layers import recbole_folder

    modules = {path.stem for path in (recbole_folder() / "model" / "sequential_recommender").glob("[a-z]*.py")}
    names = (path.stem for path in (recbole_folder() / "properties" / "model").glob("*.yaml"))
    return sorted(name for name in names if name.lower() in modules)


def check_model(name):
    """Checks that a model of this name exists.

    Args:
        name (str): A model's name.

    Raises:
        UserError: There is none.
    """
    known = [*models(), *recbole_models(), *GENERAL_MODELS]
    if name not in known:
        matches = nearest(name, known)
        remedy = f"did you mean {matches[0]}?" if matches else "the task 'models' lists them"
        raise UserError(f"unknown model {name!r}: {remedy}")


def model_layers(model, dataset):
    """Returns the plugin's YAML layers for a model of any package, lowest first.

    Args:
        model (str): A model's name.
        dataset (str): A dataset's name.

    Returns:
        list[Layer]: overall.yaml, the files of the models that it extends, its own and the dataset's, where they exist.

    Raises:
        UserError: The model extends one that is not registered, or itself.
    """
    from recbole_idp.config.layers import plugin_layers

    return plugin_layers(_lineage(model), dataset)


def transfers(model):
    """Returns whether a model takes something over from source domains."""
    registration = models().get(model)
    return registration is not None and _described(registration).transfers


def resolve(target):
    """Returns the class that "module:Class" names; a class stays what it is."""
    if not isinstance(target, str):
        return target
    module, _, name = target.partition(":")
    return getattr(importlib.import_module(module), name)


def run_recboles(rank, *args):
    """RecBole's worker of a distributed run, from a module whose import registers the plugin in the new process."""
    from recbole.quick_start import quick_start

    return quick_start.run_recboles.__wrapped__(rank, *args)


_OPTIONAL = ("trainer", "dataset", "properties", "extends", "transfers")
_added = {}


def _lineage(model):
    """Returns the properties of a model and of those that it extends, None for the plugin's own; lowest first."""
    known = models()
    if model not in known:
        return {model: None}
    found = {}
    while model is not None:
        registration = _described(known[model])
        found[model], extended = registration.properties, registration.extends
        if extended is not None and (extended not in known or extended in found):
            raise UserError(f"model {model} extends {extended}: name a registered model that does not extend {model}")
        model = extended
    return dict(reversed(found.items()))


@functools.cache
def _foreign_models():
    """Reads the entry points of other packages.

    Returns:
        tuple[dict[str, Registration], list[str]]: The registrations, and a line for each name that is taken.
    """
    found, lines = {}, []
    for point in importlib.metadata.entry_points(group=ENTRY_POINTS):
        package = point.dist.name if point.dist is not None else point.module
        taken = _taken(point.name, found)
        if taken is None:
            found[point.name] = Registration(point.value, package=package)
        elif found.get(taken) != Registration(point.value, package=package):
            lines.append(f"model {point.name} of {package} is left out, because a model {taken} exists already")
    return found, lines


def _taken(name, others=()):
    """Returns the known model that shares ``name``'s module, which is its lower-case form."""
    return next((known for known in [*MODELS, *recbole_models(), *others] if known.lower() == name.lower()), None)


def _described(registration):
    """Completes the registration of a foreign model by the optional attributes of its class."""
    if registration.package in ("recbole_idp", "this process"):
        return registration
    model = resolve(registration.model)
    fields = {field: getattr(model, field, None) for field in _OPTIONAL}
    return registration._replace(**{field: value for field, value in fields.items() if value is not None})


class _Finder:
    """Finds our models as modules of RecBole, and lets a hook run after the import of a module in ``_HOOKS``."""

    def find_spec(self, name, path=None, target=None):
        """Answers Python's import system; None passes the question on."""
        if name in _HOOKS:
            return self._hooked(name, path, target)
        package, _, module = name.rpartition(".")
        if package == _MODELS_PACKAGE:
            for model, registration in models().items():
                if model.lower() == module:
                    return importlib.machinery.ModuleSpec(name, _ModelLoader(model, registration))
        return None

    def _hooked(self, name, path, target):
        if problems := compat.check_versions():
            raise ImportError(f"recbole_idp: {compat.summary(problems)}")
        specs = (finder.find_spec(name, path, target) for finder in sys.meta_path if finder is not self)
        spec = next((spec for spec in specs if spec is not None), None)
        if spec is not None:
            execute = spec.loader.exec_module

            def exec_module(module):
                with compat.importable_ray() if name == _QUICK_START else contextlib.nullcontext():
                    execute(module)
                _HOOKS[name](module)

            spec.loader.exec_module = exec_module
        return spec


class _ModelLoader:
    """Makes a module that holds one model class, so that the class keeps a single identity."""

    def __init__(self, name, registration):
        self.name, self.registration = name, registration

    def create_module(self, spec):
        """Leaves the making of an empty module to Python."""

    def exec_module(self, module):
        """Puts the model class into the module under its registered name."""
        setattr(module, self.name, resolve(self.registration.model))


def _hook_classes(module, suffix, field):
    """Lets ``getattr(module, <model name> + suffix)`` return a registered model's class, imported on demand."""
    if hasattr(module, "__getattr__"):
        return

    def __getattr__(name):
        registration = models().get(name.removesuffix(suffix)) if name.endswith(suffix) else None
        if registration is None:
            raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}")
        return resolve(getattr(_described(registration), field))

    module.__getattr__ = __getattr__


def _hook_config(module):
    """Lets RecBole's ``Config`` read the plugin's properties of registered models, over its own; see also compat."""
    compat.mend_config(module)
    original = module.Config._load_internal_config_dict
    if hasattr(original, "__wrapped__"):
        return

    @functools.wraps(original)
    def load(self, model, model_class, dataset):
        original(self, model, model_class, dataset)
        if model in models():
            for layer in model_layers(model, dataset):
                self.internal_config_dict.update(layer.values)

    module.Config._load_internal_config_dict = load


def _hook_workers(module):
    """Lets a spawned worker (``--nproc``) import the plugin: it unpickles the function by the name of its module."""
    if module.run_recboles is not run_recboles:
        run_recboles.__wrapped__ = module.run_recboles
        module.run_recboles = run_recboles


def _hook_loading(module):
    """Lets RecBole's ``load_data_and_model`` open our checkpoints, which are safetensors; others it opens as before."""
    original = module.load_data_and_model
    if hasattr(original, "__wrapped__"):
        return

    @functools.wraps(original)
    def load_data_and_model(model_file):
        if str(model_file).endswith(".safetensors"):
            return resolve("recbole_idp.run.restore:load_data_and_model")(model_file)
        return original(model_file)

    module.load_data_and_model = load_data_and_model
    package = sys.modules.get("recbole.quick_start")
    if getattr(package, "load_data_and_model", None) is original:
        package.load_data_and_model = load_data_and_model


def _hook_data(module):
    """Lets RecBole open no pickle of a dataset or of its splits, which lie in ``checkpoint_dir`` by a name that any
    stranger knows: for registered models, and wherever the configuration is the plugin's own.
    """
    if hasattr(module.create_dataset, "__wrapped__"):
        return
    create, load = module.create_dataset, module.load_split_dataloaders

    @functools.wraps(create)
    def create_dataset(config):
        if config["model"] in models():
            return getattr(importlib.import_module("recbole.data.dataset"), config["model"] + "Dataset")(config)
        return create(config)

    @functools.wraps(load)
    def load_split_dataloaders(config):
        if config["model"] in models() or hasattr(config, "origins"):
            return None
        return load(config)

    module.create_dataset, module.load_split_dataloaders = create_dataset, load_split_dataloaders
    for name in ("recbole.data", _QUICK_START):
        if getattr(sys.modules.get(name), "create_dataset", None) is create:
            sys.modules[name].create_dataset = create_dataset


def _hook_quick_start(module):
    """Puts both hooks into RecBole's quick start."""
    _hook_workers(module)
    _hook_loading(module)


_HOOKS = {
    "recbole.config.configurator": _hook_config,
    "recbole.trainer": functools.partial(_hook_classes, suffix="Trainer", field="trainer"),
    "recbole.data.dataset": functools.partial(_hook_classes, suffix="Dataset", field="dataset"),
    "recbole.data.dataset.dataset": compat.mend_dataset,
    "recbole.data.dataset.kg_dataset": compat.mend_lengths,
    "recbole.data.dataset.sequential_dataset": compat.mend_lengths,
    "recbole.data.utils": _hook_data,
    _QUICK_START: _hook_quick_start,
}
