"""The table of models: the plugin's own, those of other packages, and those added in this process.

Classes are named as "module:Class" and imported on demand. Other packages are imported inside functions, so that
``import recbole_idp`` works without them, and the command line can report that they are missing or too new. hooks.py
makes RecBole find the models.
"""

from __future__ import annotations

import functools
import importlib
import importlib.machinery
import importlib.metadata
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from recbole_idp import compat
from recbole_idp.errors import UserError, nearest

ENTRY_POINTS = "recbole_idp.models"
"""The group of entry points through which other packages bring models: the name of a model -> its class."""

GENERAL_MODELS = ("ItemKNN", "Pop")
"""RecBole's models that ignore order and count instead of learning, for comparison."""

FAST_MODELS = {
    "GRU4Rec": "recbole_idp.recbole_models.fast.gru4rec:FastGRU4Rec",
    "SASRec": "recbole_idp.recbole_models.fast.sasrec:FastSASRec",
    "BERT4Rec": "recbole_idp.recbole_models.fast.bert4rec:FastBERT4Rec",
    "FDSA": "recbole_idp.recbole_models.fast.fdsa:FastFDSA",
}
"""RecBole's models that are trained on trimmed batches, and their fast classes, which are imported on demand."""

_GRAPH = "reads the embeddings of a knowledge graph, which are not read here"
REFUSED_MODELS = {
    "GRU4RecKG": _GRAPH,
    "KSR": _GRAPH,
    "S3Rec": "keeps what it pre-trains in a pickle, and pickles are neither read nor written here",
}
"""RecBole's sequential models that cannot be run, and why."""


class Registration(NamedTuple):
    """The classes and properties of a model. Classes are given as "module:Class" and imported on demand.

    Attributes:
        model: The model's class.
        trainer: The trainer's class.
        dataset: The dataset's class.
        properties: A YAML file of defaults; None: the file in the plugin's own folder.
        package: The distribution that brings the model.
        extends: The registered model whose defaults it takes; its own YAML file holds the differences.
        transfers: Whether the model transfers something from source domains.
        serves: Whether the model has ``serving()``, as a :class:`SequenceModel` has, so that it can be saved as a
            folder that recommends without RecBole.
        texts: Whether it reads the ``.item`` file, so that its results depend on this file.
        content_key: The key that says what items are made of, with ``image`` of pictures alone; None: never of these.
        settings: The class that declares its keys, without those of models that it extends; None: there is none.
        joins: Whether ``shared_users`` may join the target with other domains for it.
        predicts: The values of the key ``predicts`` that it takes.
        reads_sources: Whether it reads the source domains while it is trained on the target, not in a pre-training
            before.
        may_start_alone: Whether ``transfer: scratch`` makes it a model without source domains.
        alone: Its variants that start from no source domain.
        packer: The function that makes the content of that folder.
        refuses_vectors: Why ``text_vectors`` cannot take the place of its texts: the end of "it ..."; empty: they can,
            or it reads no texts.
    """

    model: Any
    trainer: Any = "recbole_idp.train.table_trainer:TableTrainer"
    dataset: Any = "recbole_idp.data.predicted:PredictedDataset"
    properties: Any = None
    package: str = "recbole_idp"
    extends: Any = None
    transfers: bool = False
    serves: bool = True
    texts: bool = True
    content_key: str | None = None
    settings: Any = None
    joins: bool = False
    predicts: tuple[str, ...] = ("next_item",)
    reads_sources: bool = False
    may_start_alone: bool = False
    alone: tuple[str, ...] = ("scratch",)
    packer: str = "recbole_idp.serving.pack:trained_model"
    refuses_vectors: str = ""


SETTINGS = (
    "recbole_idp.config.recbole_keys:RecBoleSettings",
    "recbole_idp.run.keys:RunSettings",
    "recbole_idp.data.keys:DataSettings",
    "recbole_idp.content.text.keys:TextSettings",
    "recbole_idp.train.keys:TrainingSettings",
    "recbole_idp.evaluation.keys:EvaluationSettings",
    "recbole_idp.models.textknn.keys:FusionSettings",
    "recbole_idp.leaderboard.keys:BoardSettings",
)
"""The classes that declare the keys of every model, lowest first."""

SHARED_SETTINGS = "recbole_idp.nn.encoder.keys:TransformerSettings"
"""The class that declares keys with the same meaning in RecBole's models, if their YAML files have them."""

RECBOLE_PARAMETERS = "recbole_idp.recbole_models.keys:ParameterSettings"
"""The class that declares parameters of RecBole's own models, if their YAML files have them."""

RECBOLE_SETTINGS = {
    "FDSA": "recbole_idp.recbole_models.keys:FeatureSettings",
    "FEARec": "recbole_idp.recbole_models.keys:FEARecSettings",
    "FPMC": "recbole_idp.recbole_models.keys:FPMCSettings",
    "GRU4RecCPR": "recbole_idp.recbole_models.keys:RerankerSettings",
    "GRU4RecF": "recbole_idp.recbole_models.keys:FeatureSettings",
    "HGN": "recbole_idp.recbole_models.keys:WeightListSettings",
    "SASRecCPR": "recbole_idp.recbole_models.keys:RerankerSettings",
    "SASRecF": "recbole_idp.recbole_models.keys:FeatureSettings",
    "SHAN": "recbole_idp.recbole_models.keys:WeightListSettings",
}
"""The classes that declare the plugin's keys for models of RecBole."""

_TARGETED = "recbole_idp.models.precise.targeted_data:TargetedDataset"
_idp = functools.partial(
    Registration,
    trainer="recbole_idp.models.idp.transfer:TransferTrainer",
    transfers=True,
    alone=("scratch", "text_pca"),
)
_unisrec = functools.partial(
    Registration,
    trainer="recbole_idp.models.unisrec.trainer:UniSRecTrainer",
    transfers=True,
    joins=True,
    predicts=("next_item", "cold_item"),
)
_clue = functools.partial(
    Registration,
    trainer="recbole_idp.models.clue.trainer:CLUETrainer",
    texts=False,
    joins=True,
    predicts=("next_item", "cold_item", "profile"),
)
# PRECISE joins users in its universal training, not in the target's histories.
_precise = functools.partial(
    Registration, dataset=_TARGETED, refuses_vectors="reads several token vectors of a text, not one vector an item"
)
_universal = functools.partial(
    _precise, trainer="recbole_idp.models.precise.trainer:PreciseTrainer", transfers=True, joins=True
)

MODELS = {
    "IDP": _idp(
        "recbole_idp.models.idp.model:IDP",
        joins=True,
        predicts=("next_item", "cold_item"),
        settings="recbole_idp.models.idp.keys:IDPSettings",
    ),
    "IDP_IDt": _idp(
        "recbole_idp.models.idp.id_plus_text:IDP_IDt",
        extends="IDP",
        settings="recbole_idp.models.idp.keys:IDPIDtSettings",
    ),
    "IDP_BERT4Rec": _idp(
        "recbole_idp.models.idp.bert4rec:IDP_BERT4Rec",
        extends="IDP",
        settings="recbole_idp.models.idp.keys:IDPBERT4RecSettings",
    ),
    "IDP_GRU4Rec": _idp(
        "recbole_idp.models.idp.gru4rec:IDP_GRU4Rec",
        extends="IDP",
        joins=True,
        predicts=("next_item", "cold_item"),
        settings="recbole_idp.models.idp.keys:IDPGRU4RecSettings",
    ),
    "IDP_BS": _idp(
        "recbole_idp.models.idp.bert4rec:IDP_BERT4Rec",
        extends="IDP_BERT4Rec",
        settings="recbole_idp.models.idp.keys:IDPBSSettings",
    ),
    "PositionSASRec": Registration(
        "recbole_idp.models.sasrec.position_sasrec:PositionSASRec",
        texts=False,
        joins=True,
        predicts=("next_item", "cold_item", "profile"),
        settings="recbole_idp.models.sasrec.keys:PositionSASRecSettings",
    ),
    "TextPCASASRec": Registration(
        "recbole_idp.models.idp.text_pca:TextPCASASRec",
        extends="PositionSASRec",
        settings="recbole_idp.models.idp.keys:TextPCASASRecSettings",
    ),
    "TextProjectionSASRec": Registration(
        "recbole_idp.models.idp.text_projection:TextProjectionSASRec",
        extends="PositionSASRec",
        settings="recbole_idp.models.idp.keys:TextProjectionSASRecSettings",
    ),
    "TextDeltaSASRec": Registration(
        "recbole_idp.models.idp.text_delta:TextDeltaSASRec",
        extends="PositionSASRec",
        settings="recbole_idp.models.idp.keys:TextDeltaSASRecSettings",
    ),
    "TextKNN": Registration(
        "recbole_idp.models.textknn.model:TextKNN",
        "recbole_idp.models.textknn.trainer:UntrainedTrainer",
        joins=True,
    ),
    "MoRec": Registration(
        "recbole_idp.models.morec.model:MoRec",
        "recbole_idp.models.morec.trainer:MoRecTrainer",
        extends="PositionSASRec",
        transfers=True,
        may_start_alone=True,
        content_key="content",
        settings="recbole_idp.models.morec.keys:MoRecSettings",
    ),
    "TCF": Registration(
        "recbole_idp.models.tcf.model:TCF",
        "recbole_idp.models.morec.trainer:MoRecTrainer",
        extends="MoRec",
        transfers=True,
        may_start_alone=True,
        content_key="content",
        settings="recbole_idp.models.tcf.keys:TCFSettings",
    ),
    "Adapter4Rec": Registration(
        "recbole_idp.models.adapter4rec.model:Adapter4Rec",
        "recbole_idp.models.adapter4rec.trainer:Adapter4RecTrainer",
        extends="MoRec",
        transfers=True,
        settings="recbole_idp.models.adapter4rec.keys:Adapter4RecSettings",
        refuses_vectors="tunes adapters inside a text encoder",
    ),
    "PixelNet": Registration(
        "recbole_idp.models.pixelnet.model:PixelNet",
        "recbole_idp.models.morec.trainer:MoRecTrainer",
        extends="MoRec",
        transfers=True,
        may_start_alone=True,
        content_key="content",
        settings="recbole_idp.models.pixelnet.keys:PixelNetSettings",
        refuses_vectors="reads pictures",
    ),
    "UniSRec": _unisrec(
        "recbole_idp.models.unisrec.model:UniSRec",
        extends="PositionSASRec",
        settings="recbole_idp.models.unisrec.keys:UniSRecSettings",
    ),
    "UniSRec_IDt": _unisrec("recbole_idp.models.unisrec.model:UniSRec_IDt", extends="UniSRec"),
    "Recformer": Registration(
        "recbole_idp.models.recformer.model:Recformer",
        "recbole_idp.models.recformer.trainer:RecformerTrainer",
        extends="PositionSASRec",
        transfers=True,
        joins=True,
        predicts=("next_item", "cold_item"),
        may_start_alone=True,
        settings="recbole_idp.models.recformer.keys:RecformerSettings",
        refuses_vectors="reads items as words",
    ),
    "TransRec_MoM": Registration(
        "recbole_idp.models.transrec.model:TransRec",
        "recbole_idp.models.transrec.trainer:TransRecTrainer",
        transfers=True,
        may_start_alone=True,
        content_key="modality",
        settings="recbole_idp.models.transrec.keys:TransRecSettings",
        refuses_vectors="reads the tokens of texts",
    ),
    "PeterRec": Registration(
        "recbole_idp.models.peterrec.model:PeterRec",
        "recbole_idp.models.peterrec.trainer:PeterRecTrainer",
        transfers=True,
        texts=False,
        joins=True,
        predicts=("next_item", "cold_item", "profile"),
        settings="recbole_idp.models.peterrec.keys:PeterRecSettings",
    ),
    "CLUE": _clue(
        "recbole_idp.models.clue.model:CLUE", transfers=True, settings="recbole_idp.models.clue.keys:CLUESettings"
    ),
    "CLUE_zero": _clue(
        "recbole_idp.models.clue.model:CLUE", extends="CLUE", settings="recbole_idp.models.clue.keys:CLUEZeroSettings"
    ),
    "DACDR": Registration(
        "recbole_idp.models.dacdr.model:DACDR",
        "recbole_idp.models.dacdr.trainer:DACDRTrainer",
        "recbole_idp.models.dacdr.data:TwoDomainDataset",
        extends="PositionSASRec",
        transfers=True,
        texts=False,
        joins=True,
        predicts=("next_item", "cold_item"),
        reads_sources=True,
        settings="recbole_idp.models.dacdr.keys:DACDRSettings",
    ),
    "Conure": Registration(
        "recbole_idp.models.conure.model:Conure",
        "recbole_idp.models.conure.trainer:ConureTrainer",
        transfers=True,
        texts=False,
        joins=True,
        predicts=("next_item", "cold_item", "profile"),
        settings="recbole_idp.models.conure.keys:ConureSettings",
    ),
    "P5": Registration(
        "recbole_idp.models.p5.model:P5",
        "recbole_idp.models.p5.trainer:P5Trainer",
        transfers=True,
        may_start_alone=True,
        packer="recbole_idp.serving.generative_pack:generative_model",
        settings="recbole_idp.models.p5.keys:P5Settings",
        refuses_vectors="reads items as words",
    ),
    "PRECISE": _universal(
        "recbole_idp.models.precise.model:PRECISE", settings="recbole_idp.models.precise.keys:PRECISESettings"
    ),
    "PRECISE_UT": _universal(
        "recbole_idp.models.precise.model:PRECISE_UT",
        extends="PRECISE",
        settings="recbole_idp.models.precise.keys:PRECISEUTSettings",
    ),
    "PRECISE_TT": _precise(
        "recbole_idp.models.precise.model:PRECISE_TT",
        "recbole_idp.models.precise.trainer:TargetedTrainer",
        extends="PRECISE",
        settings="recbole_idp.models.precise.keys:PRECISETTSettings",
    ),
}
"""The plugin's own models by name. A new one is a row here, a folder in models/ and a file in properties/model/."""


def add_model(
    model: type[Any],
    trainer: type[Any] | None = None,
    dataset: type[Any] | None = None,
    properties: str | None = None,
    extends: str | None = None,
    transfers: bool | None = None,
    settings: type[Any] | None = None,
) -> type[Any]:
    """Register a model class in RecBole for this process, for example in a notebook.

    Args:
        model: A RecBole sequential recommender; its class name becomes the model's name.
        trainer: Its trainer; None: the class's attribute ``trainer``, or else the plugin's.
        dataset: Its dataset; None: the class's attribute ``dataset``, or else the plugin's.
        properties: Its YAML file of defaults; None: the class's attribute ``properties``, or else none.
        extends: The model whose defaults it takes; None: the class's attribute ``extends``, or else none.
        transfers: Whether it transfers something from source domains; None: the class's attribute
            ``transfers``, or else False.
        settings: The class that declares its keys; None: the class's attribute ``settings``, or else
            none: then the types of its keys are those of its defaults.

    Returns:
        The model class, so that this works as a decorator.

    Raises:
        UserError: RecBole or the plugin has a model of this name.
    """
    if (taken := _taken(model.__name__)) is not None:
        raise UserError(f"a model {taken} exists already: give the class {model.__name__} another name")
    given: dict[str, Any] = {"trainer": trainer, "dataset": dataset, "properties": properties, "extends": extends}
    given |= {"transfers": transfers, "settings": settings}
    given = {field: value for field, value in given.items() if value is not None}
    global _additions
    _additions += 1
    _added[model.__name__] = described(_foreign(model, ""))._replace(**given, package="this process")
    return model


def additions() -> int:
    """Return how often a model was added in this process: what is cached by model names is valid until the next."""
    return _additions


def models() -> dict[str, Registration]:
    """Return the registered models: the plugin's, those of other packages, and those added in this process.

    Returns:
        Registrations by model name.
    """
    return {**_foreign_models()[0], **_added, **MODELS}


def clashes() -> list[str]:
    """Return a line for each entry point that is ignored because its name is taken."""
    return _foreign_models()[1]


def recbole_models() -> list[str]:
    """Return the names of RecBole's own sequential models that can be run, without importing them.

    Returns:
        The names, sorted.
    """
    return [name for name in _sequential_models() if name not in REFUSED_MODELS]


def _sequential_models() -> list[str]:
    """Return the names of all of RecBole's own sequential models, sorted."""
    modules = {path.stem for path in (compat.recbole_folder() / "model" / "sequential_recommender").glob("[a-z]*.py")}
    names = (path.stem for path in (compat.recbole_folder() / "properties" / "model").glob("*.yaml"))
    return sorted(name for name in names if name.lower() in modules)


def is_model(name: str) -> bool:
    """Return whether a model of this name can be run."""
    return name in (*models(), *recbole_models(), *GENERAL_MODELS)


def check_model(name: str) -> None:
    """Check that a model of this name exists.

    Args:
        name: A model's name.

    Raises:
        UserError: No model has this name.
    """
    if name in REFUSED_MODELS:
        raise UserError(f"RecBole's model {name} {REFUSED_MODELS[name]}: choose one that the task 'models' lists")
    if not is_model(name):
        if _is_recboles(name):
            raise UserError(
                f"RecBole's model {name} is not sequential, and of the others only {' and '.join(GENERAL_MODELS)} "
                "can be run: choose one that the task 'models' lists"
            )
        matches = nearest(name, [*models(), *recbole_models(), *GENERAL_MODELS])
        remedy = f"did you mean {matches[0]}?" if matches else "the task 'models' lists them"
        raise UserError(f"unknown model {name!r}: {remedy}")


def _is_recboles(name: str) -> bool:
    """Return whether RecBole has a model of this name, of any kind."""
    return name.isidentifier() and (compat.recbole_folder() / "properties" / "model" / f"{name}.yaml").is_file()


def _registered(model: str) -> Registration | None:
    """Return the complete registration of a model; None for one of RecBole's."""
    registration = models().get(model)
    return None if registration is None else described(registration)


def transfers(model: str) -> bool:
    """Return whether a model transfers something from source domains."""
    return (found := _registered(model)) is not None and found.transfers


def starts_alone(model: str, transfer: str | None) -> bool:
    """Return whether a model transfers nothing from source domains with this value of ``transfer``."""
    found = _registered(model)
    return found is None or not found.transfers or (found.may_start_alone and transfer == "scratch")


def variants_alone(model: str) -> tuple[str, ...]:
    """Return the variants of a model that start from no source domain."""
    return () if (found := _registered(model)) is None else found.alone


def serves(model: str) -> bool:
    """Return whether a model can be saved as a folder that recommends without RecBole."""
    return (found := _registered(model)) is not None and found.serves


def packer(model: str) -> Callable[..., Any]:
    """Return the function that makes the content of the folder that a model is served from."""
    found = _registered(model)
    assert found is not None  # as only such a model serves
    return resolve(found.packer)


def joins(model: str) -> bool:
    """Return whether ``shared_users`` may join the target with other domains for a model."""
    return (found := _registered(model)) is not None and found.joins


def predicts(model: str) -> tuple[str, ...]:
    """Return the values of the key ``predicts`` that a model takes."""
    return ("next_item",) if (found := _registered(model)) is None else found.predicts


def reads_sources(model: str) -> bool:
    """Return whether a model reads the source domains while it is trained on the target."""
    return (found := _registered(model)) is not None and found.reads_sources


def refuses_vectors(model: str) -> str:
    """Return why ``text_vectors`` cannot take the place of a model's texts; empty: they can, or it reads none."""
    return "" if (found := _registered(model)) is None else found.refuses_vectors


def reads_texts(model: str) -> bool:
    """Return whether a model reads the ``.item`` file without a key that says so."""
    return (found := _registered(model)) is not None and found.texts


def reads_pictures_alone(model: str, values: Mapping[str, Any]) -> bool:
    """Return whether a model's items are pictures, without texts.

    Args:
        model: Its name.
        values: The values of its keys.
    """
    found = _registered(model)
    return found is not None and found.content_key is not None and values[found.content_key] == "image"


def reads_pictures(model: str, values: Mapping[str, Any]) -> bool:
    """Return whether some of a model's items are pictures; arguments as of :func:`reads_pictures_alone`."""
    found = _registered(model)
    return found is not None and found.content_key is not None and values[found.content_key] in ("image", "mixed")


def reads_source_pictures(model: str, values: Mapping[str, Any]) -> bool:
    """Return whether some items of the source domains are pictures; arguments as of :func:`reads_pictures_alone`."""
    own = values.get("source_modality")
    return reads_pictures(model, values) if own is None else own in ("image", "mixed")


def reads_items(model: str, load_col: dict[str, Any] | None, selected_features: list[str] | None) -> bool:
    """Return whether results depend on the ``.item`` file: the model reads it, or a key names something of it."""
    return reads_texts(model) or "item" in (load_col or {}) or bool(selected_features)


def resolve(target: Any) -> Any:
    """Return the class that "module:Class" names; return a class as it is."""
    if not isinstance(target, str):
        return target
    module, _, name = target.partition(":")
    return getattr(importlib.import_module(module), name)


_OPTIONAL = (
    "trainer",
    "dataset",
    "properties",
    "extends",
    "transfers",
    "serves",
    "texts",
    "content_key",
    "settings",
    "joins",
    "predicts",
    "reads_sources",
    "may_start_alone",
)
_added: dict[str, Registration] = {}
_additions = 0


def _foreign(model: Any, package: str) -> Registration:
    """Return the registration of another package's model, not completed yet; see :func:`described`."""
    return Registration(model, package=package, serves=False)


@functools.cache
def _foreign_models() -> tuple[dict[str, Registration], list[str]]:
    """Read the entry points of other packages.

    Returns:
        The registrations, and a line for each entry point whose name is taken.
    """
    found: dict[str, Registration] = {}
    lines: list[str] = []
    for point in importlib.metadata.entry_points(group=ENTRY_POINTS):
        package = point.dist.name if point.dist is not None else point.module
        taken = _taken(point.name, found)
        if taken is None:
            found[point.name] = _foreign(point.value, package)
        elif found.get(taken) != _foreign(point.value, package):
            lines.append(f"model {point.name} of {package} is left out, because a model {taken} exists already")
    return found, lines


def _taken(name: str, others: Iterable[str] = ()) -> str | None:
    """Return the known model with the same module, the name in lower case; None if there is none."""
    return next((known for known in [*MODELS, *_sequential_models(), *others] if known.lower() == name.lower()), None)


def described(registration: Registration) -> Registration:
    """Complete the registration of another package's model by the optional attributes of its class."""
    if registration.package in ("recbole_idp", "this process"):
        return registration
    model = resolve(registration.model)
    fields = {field: getattr(model, field, None) for field in _OPTIONAL}
    return registration._replace(**{field: value for field, value in fields.items() if value is not None})
