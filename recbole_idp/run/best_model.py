"""Keep the best model of a run as a folder that needs no data to be used."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recbole_idp import registry
from recbole_idp.config.derive import as_pretrained, derive
from recbole_idp.data.domain_texts import item_texts
from recbole_idp.data.item_text import ItemFileFormat
from recbole_idp.errors import UserError
from recbole_idp.evaluation.metrics import goodness
from recbole_idp.models.base.fused import FusedModel
from recbole_idp.models.idp.variants import GENERATED
from recbole_idp.recbole_models.choose import model_class, trainer_class
from recbole_idp.run.fusion import fused_model
from recbole_idp.run.trials import Trial
from recbole_idp.serving.load import open_trained
from recbole_idp.serving.whole_folder import check_absent
from recbole_idp.storage.checkpoint import load_checkpoint
from recbole_idp.storage.files import check_writable, fingerprint

if TYPE_CHECKING:
    from recbole.config import Config

    from recbole_idp.data.dataset import SequenceDataset
    from recbole_idp.models.idp.transfer import TransferStart
    from recbole_idp.run.keys import PlaceSettings
    from recbole_idp.run.trials import Outcome


def check_trained_dir(places: PlaceSettings) -> None:
    """Check before any work that ``trained_dir`` can be made.

    Raises:
        UserError: The folder exists, or cannot be written.
    """
    if places.keep_trained and places.trained_dir:
        check_absent(places.trained_dir)
        check_writable("trained_dir", Path(places.trained_dir).absolute().parent)


def read_titles(dataset: SequenceDataset, places: PlaceSettings, text_fields: list[str] | None = None) -> list[str]:
    """Read the titles that the trained folder will hold. Call it before training: the ``.item`` file may be wrong.

    Args:
        dataset: The target.
        places: Says whether a folder is kept.
        text_fields: Text columns of the ``.item`` file; None: all of them.

    Returns:
        Titles of items 1 to N - 1, blank where there is none. All blank, with a warning, if the file is wrong and the
        model does not read it: then the titles are a convenience.

    Raises:
        UserError: The file is wrong, and the model reads it.
    """
    location, tokens, model = dataset.location, dataset.item_tokens()[1:], dataset.config["model"]
    blank = [""] * len(tokens)
    without = registry.reads_pictures_alone(model, dataset.config) or dataset.config["text_vectors"]
    needed = registry.reads_texts(model) and not without
    kept = places.keep_trained and registry.serves(model)
    if not location.item_file.is_file() or not (needed or kept):
        return blank
    try:
        titles = item_texts(location, text_fields, ItemFileFormat.of(dataset.config)).titles
    except UserError as error:
        if needed:
            raise
        logging.getLogger().warning(f"the trained model will have no titles: {error}")
        return blank
    return [titles.get(token, "") for token in tokens]


def trial_settings(config: Config, trial: Trial, epochs: int | None = None) -> Config:
    """Return the configuration of one trial of a run, with so many epochs at most where they are given."""
    share = trial.share or config["train_users_share"]
    # The trial of a model without variants bears the model's name.
    transfer = trial.variant if trial.variant in trainer_class(config).variants else config["transfer"]
    # What is pre-trained is the same for all trials.
    pretrain_seed = as_pretrained(config)["seed"]
    values = {"transfer": transfer, "train_users_share": share, "few_shot": None, "pretrain_seed": pretrain_seed}
    if epochs is not None:
        values["epochs"] = min(epochs, config["epochs"])
    return derive(config, seed=trial.seed, **values)


def keep_best(
    config: Config,
    outcomes: dict[Trial, Outcome],
    start: TransferStart | None,
    dataset: SequenceDataset,
    digits: str,
    titles: list[str],
) -> tuple[Path, str] | None:
    """Save the trial that is best on validation; among equal ones, and without validation, the last one.

    Args:
        config: RecBole's configuration, with ``keep_trained`` and ``trained_dir``.
        outcomes: Outcome of each trial.
        start: Bundle and matches; None: nothing is transferred.
        dataset: The training part of the target.
        digits: Fingerprint of data, settings and bundle.
        titles: As of :func:`read_titles`.

    Returns:
        The folder, and the trial's name; None if none is wanted, or the model cannot be used without RecBole.
    """
    if not config["keep_trained"] or not registry.serves(config["model"]):
        return None
    if config["predicts"] == "profile":
        logging.getLogger().info(
            f"no trained model is kept: it ranks the classes of {config['profile_field']}, and recommend ranks items"
        )
        return None
    metric = config["valid_metric"].lower()
    trials = list(outcomes)
    trial = max(reversed(trials), key=lambda trial: goodness(metric, outcomes[trial].facts["valid"].get(metric, 0.0)))
    facts = outcomes[trial].facts
    if not facts["checkpoint"]:
        return None
    name = f"trained-{config['model']}-{config['dataset'][:80]}-{fingerprint([digits, trial.name, titles])[:8]}"
    folder = Path(config["trained_dir"] or Path(config["checkpoint_dir"]) / name)
    if not config["trained_dir"] and _is_whole(folder, config["keep_users"]):
        return folder, trial.name
    members = _members(trial, facts)
    settings = trial_settings(config, members[0][0])
    models = [_best_model(config, one, checkpoint, dataset) for one, _, checkpoint in members]
    model: Any = models[0] if len(models) == 1 else FusedModel(models, [weight for _, weight, _ in members])
    generated_from = start if any(one.variant in GENERATED for one, *_ in members) else None
    if settings["fuse"]:
        model = fused_model(model, settings, dataset, facts["fused"]["weight"])
    trained = registry.packer(config["model"])(model, settings, dataset, titles, facts, generated_from)
    if trained is None:
        return None
    trained.save(folder, may_exist=not config["trained_dir"])
    return folder, trial.name


def _members(trial: Trial, facts: Mapping[str, Any]) -> list[tuple[Trial, float, str]]:
    """Return trial, weight and checkpoint of each model whose scores a trial adds up; most have one model."""
    if "auto" not in facts:
        return [(trial, 1.0, facts["checkpoint"])]
    return [
        (Trial(one["variant"], one["seed"], trial.share, trial.joined), one["weight"], one["checkpoint"])
        for one in facts["auto"]["members"]
    ]


def _best_model(config: Config, trial: Trial, checkpoint: str, dataset: SequenceDataset) -> Any:
    """Build the model of a trial, with the weights that were best on validation."""
    model = model_class(config)(trial_settings(config, trial), dataset).to(config["device"])
    model.load_state_dict(load_checkpoint(checkpoint)[0])
    return model


def _is_whole(folder: Path, with_users: bool) -> bool:
    """Return whether an earlier run of the same settings made this folder; remove a damaged one."""
    if not folder.exists():
        return False
    try:
        users = open_trained(folder).users
        if (users is not None) != with_users:
            raise UserError(f"{folder} is {'with' if users else 'without'} users, and keep_users is {with_users}")
    except UserError as error:
        logging.getLogger().warning(f"made again: {error}")
        shutil.rmtree(folder)
        return False
    return True
