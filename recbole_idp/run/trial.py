"""One trial of a run: make a model, train it, evaluate it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from recbole.utils import init_seed

from recbole_idp.data.few_shot import few_shot_loader
from recbole_idp.evaluation.keys import BucketSettings
from recbole_idp.recbole_models.choose import model_class, trainer_class
from recbole_idp.run.best_model import trial_settings
from recbole_idp.run.buckets import test_buckets
from recbole_idp.run.fusion import fuse
from recbole_idp.run.reports import Pruned, Reporter
from recbole_idp.run.trials import Outcome, Trial
from recbole_idp.storage.files import remove_kept

if TYPE_CHECKING:
    import numpy as np
    from recbole.config import Config

    from recbole_idp.data.dataset import SequenceDataset
    from recbole_idp.run.not_joined import Side
    from recbole_idp.train.clock import StageClock
    from recbole_idp.train.run_trainer import RunTrainer


class Training(NamedTuple):
    """A model that was trained.

    Attributes:
        settings: The configuration of its trial.
        trainer: Its trainer.
        train: RecBole's loader of what it was trained on.
        valid: Its best metrics on validation; empty without one.
        reported: The validation after each epoch, as a study of a leaderboard has it: epochs and values. None: there
            is no study.
    """

    settings: Config
    trainer: RunTrainer
    train: Any
    valid: dict[str, float]
    reported: list[tuple[int, float]] | None = None


def run_trial(
    side: Side,
    trial: Trial,
    clock: StageClock,
    resume_file: Path | None = None,
    joined: np.ndarray | None = None,
) -> Outcome:
    """Make, train and evaluate one variant of the target model with one seed.

    An interrupted training resumes after its last epoch.

    Args:
        side: What it is trained on.
        trial: The variant (one of the trainer's ``variants``, or the model's name where it has none), the seed, and the
            share of the users in a few-shot study.
        clock: Where stages are timed.
        resume_file: Saved state, from which an interrupted training resumes; None: training starts again.
        joined: Whether the user of each test target is joined with other domains; shape [R]. None: nobody is.

    Returns:
        Metrics, seconds (without pre-training), training speed and ranks.
    """
    began = time.perf_counter()
    training = train(side, trial, clock, resume_file)
    try:
        return evaluated(side, trial, training, clock, began, joined)
    except BaseException:
        training.trainer.discard_checkpoint()
        raise


def train(
    side: Side, trial: Trial, clock: StageClock, resume_file: Path | None = None, epochs: int | None = None
) -> Training:
    """Make and train one variant of the target model with one seed.

    Args:
        side: What it is trained on.
        trial: As of :func:`run_trial`.
        clock: Where stages are timed.
        resume_file: As of :func:`run_trial`.
        epochs: Epochs at most; None: those of the configuration.

    Raises:
        Pruned: A study of a leaderboard has ended the training.
    """
    train_loader, valid, _ = side.loaders
    if trial.share is not None:
        train_loader = few_shot_loader(train_loader, trial.share, side.config["train_users_seed"])
    settings = trial_settings(side.config, trial, epochs)
    # The same seed for each: variants differ in what they start from and in nothing else.
    init_seed(trial.seed, settings["reproducibility"])
    # RecBole's loaders are seeded once, and draw on through all trials.
    train_loader.generator.manual_seed(trial.seed)
    model = model_class(settings)(settings, train_loader.dataset).to(settings["device"])
    trainer = trainer_class(settings)(settings, model)
    trainer.begin_trial(trial.name, side.start, resume_file)
    reporter = Reporter(settings["tune_trial"]) if settings["tune_trial"] else None
    try:
        with clock.stage(trainer.stage, f"{trial.name}: {trainer.variants.get(trial.variant, 'trained')}"):
            _, valid_result = trainer.fit(
                train_loader, valid, saved=True, show_progress=settings["show_progress"], callback_fn=reporter
            )
    except BaseException as error:
        if isinstance(error, Pruned) and resume_file is not None:
            # Nobody will resume it.
            remove_kept([resume_file])
        trainer.discard_checkpoint()
        raise
    reported = reporter.reported() if reporter else None
    return Training(settings, trainer, train_loader, dict(valid_result or {}), reported)


def evaluated(
    side: Side, trial: Trial, training: Training, clock: StageClock, began: float, joined: np.ndarray | None = None
) -> Outcome:
    """Test what was trained, with the scores of another model added where the key ``fuse`` says so.

    Args:
        side: What it was trained on.
        trial: The trial.
        training: What was trained.
        clock: Where stages are timed.
        began: When the trial began, by ``time.perf_counter``.
        joined: As of :func:`run_trial`.
    """
    settings, trainer, train_loader, valid_result, reported = training
    _, valid, test = side.loaders
    fused = {}
    if settings["fuse"]:
        with clock.stage("fuse", f"{trial.name}: choosing the weight of {settings['fuse']}"):
            choice = fuse(trainer, settings, train_loader.dataset, valid.dataset if valid else None)
        valid_result = choice.valid
        tried = {f"{weights[-1]:g}": value for weights, value in choice.tried.items()}
        fused = {"fused": {"model": settings["fuse"], "weight": choice.weights[-1], "tried": tried}}
    with clock.stage("evaluate", f"{trial.name} on {targets_name(test.dataset)}"):
        test_result = trainer.evaluate(test, load_best_model=True, show_progress=settings["show_progress"])
    record = trainer.record()
    seconds = time.perf_counter() - began + record.earlier_seconds - record.preparation_seconds
    ranks = None if record.ranks is None else record.ranks.numpy().astype("int32")
    facts = {
        "variant": trial.title,
        **({} if trial.joined else {"joined": False}),
        "seed": trial.seed,
        "train_users_share": trial.share or settings["train_users_share"],
        "train_users": len(set(train_loader.dataset.user_tokens())),
        "test": dict(test_result or {}),
        "valid": valid_result,
        "seconds": round(seconds, 2),
        "targets_per_second": round(record.targets_per_second),
        "checkpoint": record.checkpoint,
        **record.facts,
        **fused,
        **({} if reported is None else {"reported": reported}),
    }
    if ranks is not None:
        buckets, watched = BucketSettings.of(side.config), side.config["valid_metric"]
        facts["buckets"] = test_buckets(buckets, watched, ranks, train_loader.dataset, test.dataset, joined)
    return Outcome(facts, ranks)


def targets_name(dataset: SequenceDataset) -> str:
    """Return how many targets of how many users a part of the target has, in words."""
    users = len(set(dataset.user_tokens()))
    return f"{len(dataset):,} test targets" + (f" of {users:,} users" if users < len(dataset) else "")
