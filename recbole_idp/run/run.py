"""The whole job, from source data to a table; read it from top to bottom."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recbole.data import data_preparation
from recbole.utils import init_seed

from recbole_idp.config.derive import given_values
from recbole_idp.data.few_shot import few_shot_loader
from recbole_idp.data.history_items import joined_line
from recbole_idp.data.keys import EventSettings
from recbole_idp.data.notes import data_notes, overlap_note, split_notes
from recbole_idp.errors import UserError
from recbole_idp.evaluation.evaluator import RankEvaluator
from recbole_idp.evaluation.keys import BucketSettings
from recbole_idp.models.idp.keys import GenerationSettings
from recbole_idp.models.idp.pretrain import find_or_pretrain
from recbole_idp.recbole_models.choose import make_dataset, model_class, trainer_class
from recbole_idp.report.comparison import (
    CONTROLS,
    METRIC,
    compare_joins,
    compare_variants,
    compare_with_baselines,
    compared_metric,
    prediction_line,
    verdicts,
)
from recbole_idp.report.displayed.result import Result
from recbole_idp.report.few_shot import PLOT, plot_study
from recbole_idp.report.ranks import SUFFIX, Ranks
from recbole_idp.report.result import read_result, save_result, summarise
from recbole_idp.report.text import report_text, study_metrics
from recbole_idp.run.best_model import check_trained_dir, keep_best, read_titles, trial_settings
from recbole_idp.run.buckets import joined_targets, test_buckets
from recbole_idp.run.class_baselines import Baselines, class_baselines, has_baselines
from recbole_idp.run.fusion import fuse
from recbole_idp.run.keys import PlaceSettings
from recbole_idp.run.not_joined import Side, read_not_joined
from recbole_idp.run.prepare import data_fingerprint, prepare, read_fingerprint
from recbole_idp.run.tasks import run_tasks
from recbole_idp.run.tracking import check_tracker, report_of, track
from recbole_idp.run.trials import Outcome, trials
from recbole_idp.run.unfinished import Unfinished
from recbole_idp.storage.environment import command_line, versions
from recbole_idp.train.clock import StageClock, peak_memory_mb
from recbole_idp.train.pretrained_items import NoCommonItems

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from recbole.config import Config

    from recbole_idp.data.dataset import SequenceDataset
    from recbole_idp.models.idp.bundle import Bundle
    from recbole_idp.models.idp.transfer import TransferStart
    from recbole_idp.run.trials import Trial


def pretrain(config: Config) -> Bundle:
    """Make the bundle of a configuration, or reuse it: the task ``pretrain``.

    Args:
        config: The configuration.

    Returns:
        The bundle.
    """
    prepare(config)
    bundle = find_or_pretrain(config)
    print(f"Bundle: {bundle.folder}")
    return bundle


def run(config: Config) -> dict[str, Any]:
    """Pre-train, transfer, and compare the variants on one target: the task ``run``.

    A model without transfer is trained alone. A model with a list of ``tasks`` learns them one after the other.

    Args:
        config: The configuration.

    Returns:
        The result, as saved: a :class:`~recbole_idp.report.displayed.result.Result`, with tables and plots. For a list
        of tasks a plain dictionary.

    Raises:
        UserError: Something in the data or the configuration is wrong.
    """
    if config["tasks"] is not None:
        return run_tasks(config, run)
    trainer = trainer_class(config)
    variants = config["variants"] if trainer.variants else [config["model"]]
    check_trained_dir(PlaceSettings.of(config))
    check_tracker(config["track"])
    prepare(config)
    clock = StageClock()
    logger = logging.getLogger()
    trainer.check_sources(config, variants)

    with clock.stage("read", f"reading {config['dataset']}"):
        dataset = make_dataset(config)
        size = {"users": dataset.user_num - 1, "items": dataset.item_num - 1, "interactions": dataset.inter_num}
        train, valid, test = data_preparation(config, dataset)
        logger.info(dataset)
        alone = read_not_joined(config, test.dataset)
        titles = read_titles(train.dataset, PlaceSettings.of(config), config["text_fields"])
        log_notes(dataset, [len(loader.dataset) for loader in (train, valid, test)])

    start = trainer.prepare_start(config, train.dataset, variants, clock)
    prediction = None
    if start is not None and not set(variants) <= set(CONTROLS):
        prediction = predict_gain(GenerationSettings.of(config), start, train.dataset, config["seed"], clock)
    sides = {True: Side(config, (train, valid, test), start)}
    if alone is not None:
        # Found again by its fingerprint: what is pre-trained knows nothing of the join with the target.
        start_alone = trainer.prepare_start(alone.config, alone.loaders[0].dataset, variants, clock)
        sides[False] = alone._replace(start=start_alone)

    data = data_fingerprint(dataset)
    bundle = start.bundle if start else None
    unfinished = Unfinished(given_values(config), read_fingerprint(dataset, data), bundle)
    seeds = config["seeds"] or [config["seed"]]
    planned = trials(variants, seeds, config["few_shot"], list(sides))
    joined = joined_targets(test.dataset)
    outcomes, refused = run_trials(planned, sides, unfinished, joined, clock)

    rows = list(dict.fromkeys(trial.row for trial in outcomes))
    summaries = {row: summarise([outcomes[trial].facts for trial in outcomes if trial.row == row]) for row in rows}
    ranks = collect_ranks(outcomes, test.dataset)
    metric = compared_metric(config["valid_metric"], "Accuracy" if config["predicts"] == "profile" else METRIC)
    joined_rows = {row: summary for row, summary in summaries.items() if summary.get("joined", True)}
    comparisons = compare_variants(joined_rows, ranks, metric)
    baselines, protocol = Baselines({}, {}), config["eval_args"]["mode"]["test"]
    if has_baselines(config["predicts"], protocol, config["metrics"]):
        users, watched = EventSettings.of(config), config["valid_metric"]
        loaders = train, valid, test
        baselines = class_baselines(RankEvaluator(config), watched, loaders, users, config["few_shot"], clock)
    trained, refusal = None, None
    try:
        to_keep = {trial: outcome for trial, outcome in outcomes.items() if trial.joined}
        trained = keep_best(config, to_keep, start, train.dataset, unfinished.folder.name, titles)
    except Exception as error:
        # The trained folder is a convenience: whatever keeps it from being made, the result is not lost.
        refusal = error
    result = {
        "model": config["model"],
        "dataset": config["dataset"],
        "data": size,
        "joined": test.dataset.joined
        and {
            **test.dataset.joined.facts(),
            "comparisons": compare_joins(summaries, ranks, joined, metric),
            "refused": refused,
        },
        "data_fingerprint": data,
        "protocol": protocol,
        "seed": config["seed"],
        "seeds": seeds,
        "few_shot": config["few_shot"],
        "variants": summaries,
        "comparisons": comparisons,
        "transfer_helped": verdicts(comparisons),
        "baselines": baselines.rows,
        "baseline_comparisons": compare_with_baselines(joined_rows, ranks, *baselines, metric),
        "prediction": prediction,
        "stages": clock.stages,
        # The stages' seconds are without those of trials that an interrupted run had finished.
        "resumed": unfinished.resumed,
        "peak_memory_mb": peak_memory_mb(),
        "bundle": str(bundle.folder) if bundle else None,
        "trained": trained and {"folder": str(trained[0]), "trial": trained[1]},
        "config": given_values(config),
        "versions": versions(),
        "command": command_line(),
    }
    path = save_result(result, config["result_dir"], ranks)
    unfinished.discard(planned)
    if config["few_shot"]:
        plot_study(result, study_metrics(result)[0], path.with_suffix(PLOT))
    print(report_text(read_result(path), path))
    if trained:
        print(f"Trained model: {trained[0]} ({trained[1]}), for recbole-idp recommend --trained={trained[0]}")
    if config["track"]:
        track(config["track"], report_of(result, [path, path.with_suffix(SUFFIX), path.with_suffix(PLOT)]))
    if refusal is not None:
        raise UserError(f"the result is saved, but the trained model could not be: {refusal}") from refusal
    return Result(result)


def log_notes(dataset: SequenceDataset, targets: list[int]) -> None:
    """Log surprising facts about the target's events and their split.

    Args:
        dataset: The target, after its split.
        targets: The numbers of targets for training, validation and test.
    """
    logger = logging.getLogger()
    for line in (data_notes(dataset), *split_notes(dataset, targets)):
        if line is not None:
            logger.info(line)
    if dataset.joined is not None:
        logger.info(joined_line(dataset.config["dataset"], dataset.joined.facts()))
    if (line := overlap_note(dataset)) is not None:
        logger.warning(line)


def predict_gain(
    settings: GenerationSettings, start: TransferStart, dataset: SequenceDataset, seed: int, clock: StageClock
) -> dict[str, Any]:
    """Predict, before the target is trained, whether transfer is likely to help, and log it.

    Args:
        settings: Settings of generation.
        start: Bundle and matches.
        dataset: The training part of the target.
        seed: Seed of the draws.
        clock: Where stages are timed.

    Returns:
        The result of :func:`~recbole_idp.models.idp.prediction.predict`, and ``train_users_share``, for which it holds.
    """
    with clock.stage("predict", "asking what the generated embeddings know beyond the target's own data"):
        prediction = start.prediction(settings, dataset, seed)
        logging.getLogger().info(prediction_line(prediction))
    return {"train_users_share": dataset.config["train_users_share"], **prediction}


def run_trials(
    planned: Sequence[Trial],
    sides: Mapping[bool, Side],
    unfinished: Unfinished,
    joined: np.ndarray | None,
    clock: StageClock,
) -> tuple[dict[Trial, Outcome], dict[str, str]]:
    """Run trials, or find what an interrupted run has finished of them.

    Args:
        planned: The trials.
        sides: What they are trained on, with users joined and without.
        unfinished: Where finished trials are kept.
        joined: Whether the user of each test target is joined; see :func:`~recbole_idp.run.buckets.joined_targets`.
        clock: Where stages are timed.

    Returns:
        The outcomes; and for each row without the join that is not possible the reason.
    """
    outcomes: dict[Trial, Outcome] = {}
    refused: dict[str, str] = {}
    for trial in planned:
        if trial.row in refused:
            continue
        config, loaders, start = sides[trial.joined]
        with unfinished.locked(trial):
            outcome = unfinished.find(trial)
            if outcome is None:
                try:
                    resume_file = unfinished.resume_file(trial)
                    outcome = run_trial(config, trial, start, loaders, clock, resume_file, joined)
                except NoCommonItems as error:
                    if trial.joined:
                        raise
                    # The model itself has its result: without the join there is nothing that it could start from.
                    refused[trial.row] = str(error)
                    logging.getLogger().info(f"no {trial.row}: {error}")
                    continue
                unfinished.save(trial, outcome)
            outcomes[trial] = outcome
    return outcomes, refused


def run_trial(
    config: Config,
    trial: Trial,
    start: object | None,
    loaders: tuple[Any, ...],
    clock: StageClock,
    resume_file: Path | None = None,
    joined: np.ndarray | None = None,
) -> Outcome:
    """Make, train and evaluate one variant of the target model with one seed.

    An interrupted training resumes after its last epoch.

    Args:
        config: The configuration.
        trial: The variant (one of the trainer's ``variants``, or the model's name where it has none), the seed, and the
            share of the users in a few-shot study.
        start: Result of the trainer's ``prepare_start``.
        loaders: RecBole's loaders for training, validation and test.
        clock: Where stages are timed.
        resume_file: Saved state, from which an interrupted training resumes; None: training starts again.
        joined: Whether the user of each test target is joined with other domains; shape [R]. None: nobody is.

    Returns:
        Metrics, seconds (without pre-training), training speed and ranks.
    """
    train, valid, test = loaders
    variant, seed, share = trial.variant, trial.seed, trial.share
    if share is not None:
        train = few_shot_loader(train, share, config["train_users_seed"])
    share = share or config["train_users_share"]
    settings = trial_settings(config, trial)
    began = time.perf_counter()
    # The same seed for each: variants differ in what they start from and in nothing else.
    init_seed(seed, config["reproducibility"])
    # RecBole's loaders are seeded once, and draw on through all trials.
    train.generator.manual_seed(seed)
    model = model_class(config)(settings, train.dataset).to(config["device"])
    trainer = trainer_class(config)(settings, model)
    trainer.begin_trial(trial.name, start, resume_file)
    try:
        with clock.stage(trainer.stage, f"{trial.name}: {trainer.variants.get(variant, 'trained')}"):
            _, valid_result = trainer.fit(train, valid, saved=True, show_progress=config["show_progress"])
        choice = None
        if settings["fuse"]:
            with clock.stage("fuse", f"{trial.name}: choosing the weight of {settings['fuse']}"):
                choice = fuse(trainer, settings, train.dataset, valid.dataset if valid else None)
                valid_result = choice.valid
        with clock.stage("evaluate", f"{trial.name} on {targets_name(test.dataset)}"):
            test_result = trainer.evaluate(test, load_best_model=True, show_progress=config["show_progress"])
    except BaseException:
        trainer.discard_checkpoint()
        raise
    record = trainer.record()
    seconds = time.perf_counter() - began + record.earlier_seconds - record.preparation_seconds
    ranks = None if record.ranks is None else record.ranks.numpy().astype("int32")
    facts = {
        "variant": trial.title,
        **({} if trial.joined else {"joined": False}),
        "seed": seed,
        "train_users_share": share,
        "train_users": len(set(train.dataset.user_tokens())),
        "test": dict(test_result),
        "valid": dict(valid_result or {}),
        "seconds": round(seconds, 2),
        "targets_per_second": round(record.targets_per_second),
        "checkpoint": record.checkpoint,
        **record.facts,
    }
    if choice is not None:
        tried = {f"{weight:g}": value for weight, value in choice.tried.items()}
        facts["fused"] = {"model": settings["fuse"], "weight": choice.weight, "tried": tried}
    if ranks is not None:
        settings, watched = BucketSettings.of(config), config["valid_metric"]
        facts["buckets"] = test_buckets(settings, watched, ranks, train.dataset, test.dataset, joined)
    return Outcome(facts, ranks)


def targets_name(dataset: SequenceDataset) -> str:
    """Return how many targets of how many users a part of the target has, in words."""
    users = len(set(dataset.user_tokens()))
    return f"{len(dataset):,} test targets" + (f" of {users:,} users" if users < len(dataset) else "")


def collect_ranks(outcomes: dict[Trial, Outcome], dataset: SequenceDataset) -> Ranks | None:
    """Collect the ranks of all trials, with the id of each target's user.

    Args:
        outcomes: Outcome of each trial.
        dataset: The test part of the target.

    Returns:
        The ranks; None where the protocol has none.
    """
    ranks: dict[str, np.ndarray] = {}
    for trial, outcome in outcomes.items():
        if outcome.ranks is None:
            return None
        ranks[trial.name] = outcome.ranks
    return Ranks(dataset.user_tokens(), ranks)
