"""The whole job, from source data to a table; read it from top to bottom."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from recbole.data import data_preparation

from recbole_idp.config.derive import given_values
from recbole_idp.data.history_items import joined_line
from recbole_idp.data.keys import EventSettings
from recbole_idp.data.notes import data_notes, overlap_note, split_notes
from recbole_idp.errors import UserError
from recbole_idp.evaluation.evaluator import RankEvaluator
from recbole_idp.models.idp.keys import GenerationSettings
from recbole_idp.models.idp.pretrain import find_or_pretrain
from recbole_idp.recbole_models.choose import make_dataset, trainer_class
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
from recbole_idp.run.auto import run_auto, tried_by
from recbole_idp.run.best_model import check_trained_dir, keep_best, read_titles
from recbole_idp.run.buckets import joined_targets
from recbole_idp.run.class_baselines import Baselines, class_baselines, has_baselines
from recbole_idp.run.keys import AUTO, AutoSettings, PlaceSettings, starts_of
from recbole_idp.run.not_joined import Side, read_not_joined
from recbole_idp.run.prepare import data_fingerprint, fetch_given, prepare, read_fingerprint
from recbole_idp.run.tasks import run_tasks
from recbole_idp.run.tracking import check_tracker, report_of, track
from recbole_idp.run.trial import run_trial
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
    config = fetch_given(config)
    if config["tasks"] is not None:
        return run_tasks(config, run)
    trainer = trainer_class(config)
    variants = config["variants"] if trainer.variants else [config["model"]]
    check_trained_dir(PlaceSettings.of(config))
    check_tracker(config["track"])
    prepare(config)
    clock = StageClock()
    logger = logging.getLogger()
    starts = starts_of(variants, AutoSettings.of(config).auto_starts)
    trainer.check_sources(config, starts)

    with clock.stage("read", f"reading {config['dataset']}"):
        dataset = make_dataset(config)
        size = {"users": dataset.user_num - 1, "items": dataset.item_num - 1, "interactions": dataset.inter_num}
        train, valid, test = data_preparation(config, dataset)
        logger.info(dataset)
        alone = read_not_joined(config, test.dataset)
        titles = read_titles(train.dataset, PlaceSettings.of(config), config["text_fields"])
        log_notes(dataset, [len(loader.dataset) for loader in (train, valid, test)])

    start = trainer.prepare_start(config, train.dataset, starts, clock)
    prediction = None
    if start is not None and not set(starts) <= set(CONTROLS):
        prediction = predict_gain(GenerationSettings.of(config), start, train.dataset, config["seed"], clock)
    sides = {True: Side(config, (train, valid, test), start)}
    if alone is not None:
        # Found again by its fingerprint: what is pre-trained knows nothing of the join with the target.
        start_alone = trainer.prepare_start(alone.config, alone.loaders[0].dataset, starts, clock)
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
    comparisons = compare_variants(joined_rows, ranks, metric, config["valid_metric"])
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
        side = sides[trial.joined]
        with unfinished.locked(trial):
            outcome = unfinished.find(trial)
            if outcome is None:
                try:
                    if trial.variant == AUTO:
                        outcome = run_auto(side, trial, clock, unfinished, joined)
                    else:
                        outcome = run_trial(side, trial, clock, unfinished.resume_file(trial), joined)
                except NoCommonItems as error:
                    if trial.joined:
                        raise
                    # The model itself has its result: without the join there is nothing that it could start from.
                    refused[trial.row] = str(error)
                    logging.getLogger().info(f"no {trial.row}: {error}")
                    continue
                unfinished.save(trial, outcome)
                if trial.variant == AUTO:
                    unfinished.forget([trial, *tried_by(trial, AutoSettings.of(side.config))])
            outcomes[trial] = outcome
    return outcomes, refused


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
