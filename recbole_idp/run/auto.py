"""A start that validation chooses: try all, train the best ones to the end, and average their scores."""

from __future__ import annotations

import contextlib
import itertools
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recbole_idp.evaluation.metrics import goodness
from recbole_idp.models.base.fused import FusedModel
from recbole_idp.run.fusion import Validation, WeightChoice, choose_weights
from recbole_idp.run.keys import AUTO, AutoSettings, better_half
from recbole_idp.run.trial import Training, evaluated, train
from recbole_idp.run.trials import Outcome, Trial
from recbole_idp.storage.files import parse_json, write_json

if TYPE_CHECKING:
    import numpy as np

    from recbole_idp.run.not_joined import Side
    from recbole_idp.run.unfinished import Unfinished
    from recbole_idp.train.clock import StageClock

PARTS = 4
"""Weights of an average are multiples of one of so many parts."""

_NEXT_SEED = 1000


def tried_by(trial: Trial, settings: AutoSettings) -> list[Trial]:
    """Return a trial for each training that ``auto`` may make, by whose names their states are kept.

    Args:
        trial: The trial whose variant is ``auto``.
        settings: What it tries.
    """
    return [_kept_as(one) for one in _seeded(trial, settings.auto_starts, settings.auto_seeds)]


def run_auto(
    side: Side,
    trial: Trial,
    clock: StageClock,
    unfinished: Unfinished,
    joined: np.ndarray | None = None,
) -> Outcome:
    """Find the best start on validation, or an average of several.

    all starts -> some epochs -> the better half -> more epochs -> ... -> the best, trained to the end -> weights

    An interrupted run resumes after the last epoch of the training that it was in.

    Args:
        side: What is trained on.
        trial: The trial whose variant is ``auto``.
        clock: Where stages are timed.
        unfinished: Where states of trainings, and what was decided so far, are kept.
        joined: As of :func:`~recbole_idp.run.trial.run_trial`.

    Returns:
        As of :func:`~recbole_idp.run.trial.run_trial`, with the fact ``auto``: what was tried and what is averaged.
    """
    began, settings = time.perf_counter(), AutoSettings.of(side.config)

    def trained(one: Trial, epochs: int | None = None) -> Training:
        return train(side, one, clock, unfinished.resume_file(_kept_as(one)), epochs)

    watched, decided = side.config["valid_metric"].lower(), unfinished.decisions_file(trial)
    kept, rungs, checkpoints = _halved(trial, settings, trained, watched, decided)
    trainings = {one: trained(one) for one in _seeded(trial, kept, settings.auto_seeds)}
    checkpoints |= {str(training.trainer.saved_model_file) for training in trainings.values()}
    choice = _average(side, list(trainings.values()), settings)
    members = [
        (one, training, weight / sum(choice.weights))
        for (one, training), weight in zip(trainings.items(), choice.weights, strict=True)
        if weight
    ]
    first = members[0][1]
    if len(members) > 1:
        models = [training.trainer.model for _, training, _ in members]
        first.trainer.scored = FusedModel(models, [weight for *_, weight in members])
    _log_choice(trial, [(one, weight) for one, _, weight in members])
    outcome = evaluated(side, trial, first._replace(valid=choice.valid), clock, began, joined)
    outcome.facts["auto"] = {
        "rungs": rungs,
        "members": [
            {
                "variant": one.variant,
                "seed": one.seed,
                "weight": weight,
                "checkpoint": str(training.trainer.saved_model_file),
            }
            for one, training, weight in members
        ],
    }
    for unused in checkpoints - {member["checkpoint"] for member in outcome.facts["auto"]["members"]}:
        Path(unused).unlink(missing_ok=True)
    return outcome


def mixtures(count: int, parts: int = PARTS) -> Iterator[tuple[float, ...]]:
    """Yield the weights of averages of some models: multiples of one of ``parts``, the fewest models first.

    Args:
        count: The number of models M.
        parts: Parts of a whole.

    Yields:
        M numbers that add up to ``parts``.
    """
    # Each part is given to a model.
    given = reversed(list(itertools.combinations_with_replacement(range(count), parts)))
    for models in sorted(given, key=lambda models: len(set(models))):
        yield tuple(float(models.count(model)) for model in range(count))


def _halved(
    trial: Trial, settings: AutoSettings, trained: Callable[[Trial, int | None], Training], watched: str, decided: Path
) -> tuple[list[str], list[dict[str, Any]], set[str]]:
    """Train the starts for some epochs, and keep the better half, again and again (successive halving).

    Args:
        trial: The trial whose variant is ``auto``.
        settings: What is tried.
        trained: Trains a trial for so many epochs, or goes on with it.
        watched: The metric that decides.
        decided: File of what was decided so far. A training that went on would tell its later epochs as well.

    Returns:
        The starts that are kept, in their order; the watched metric of each after each number of epochs; and the
        checkpoints of all.
    """
    starts: list[str] = list(settings.auto_starts)
    rungs, checkpoints = _read_decisions(decided)
    for number, epochs in enumerate(settings.auto_rungs):
        if len(starts) <= settings.auto_members:
            break
        if number < len(rungs):
            starts = rungs[number]["kept"]
            continue
        found: dict[str, float] = {}
        for one in _seeded(trial, starts, 1):
            training = trained(one, epochs)
            found[one.variant] = training.valid[watched]
            checkpoints.add(str(training.trainer.saved_model_file))
        better = sorted(starts, key=lambda name: goodness(watched, found[name]), reverse=True)
        better = better[: better_half(len(starts), settings.auto_members)]
        starts = [name for name in starts if name in better]
        rungs.append({"epochs": epochs, "valid": found, "kept": starts})
        write_json(decided, {"rungs": rungs, "checkpoints": sorted(checkpoints)})
        values = ", ".join(f"{name} {value:.4f}" for name, value in found.items())
        logging.getLogger().info(
            f"{trial.name} keeps {', '.join(starts)} ({watched} on validation after {epochs} epochs: {values})"
        )
    return starts, rungs, checkpoints


def _read_decisions(path: Path) -> tuple[list[dict[str, Any]], set[str]]:
    """Return the rungs and checkpoints of an interrupted run; none where there is no such file, or a damaged one."""
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        found = parse_json(path)
        return list(found["rungs"]), set(found["checkpoints"])
    return [], set()


def _average(side: Side, trainings: Sequence[Training], settings: AutoSettings) -> WeightChoice:
    """Choose the weights of models that are trained to the end, one alone where no average is wanted."""
    for training in trainings:
        training.trainer.restore_best()
    _, valid, _ = side.loaders
    first = trainings[0]
    validation = Validation.of(
        side.config, first.trainer.evaluator, first.train.dataset, valid.dataset if valid else None, f"variants: {AUTO}"
    )
    fused = FusedModel([training.trainer.model for training in trainings], [1.0] * len(trainings))
    return choose_weights(fused, list(mixtures(len(trainings), PARTS if settings.auto_average else 1)), validation)


def _seeded(trial: Trial, starts: Sequence[str], seeds: int) -> list[Trial]:
    """Return the trials of some starts, each with so many seeds."""
    return [
        Trial(name, trial.seed + _NEXT_SEED * number, trial.share, trial.joined)
        for name in starts
        for number in range(seeds)
    ]


def _kept_as(trial: Trial) -> Trial:
    """Return the trial by whose name the training state is kept, apart from that of the variant's own row."""
    return Trial(f"{AUTO}.{trial.variant}", trial.seed, trial.share, trial.joined)


def _log_choice(trial: Trial, members: Sequence[tuple[Trial, float]]) -> None:
    """Log what is averaged."""
    named = ", ".join(f"{weight:.0%} {one.variant}-{one.seed}" for one, weight in members)
    logging.getLogger().info(f"{trial.name} is {named}")
