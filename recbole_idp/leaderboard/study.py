"""The study of one row on one dataset: its trials in an SQLite file, which the next command goes on with.

Trials are made one after the other, each by a sampler with a seed of its own, so that an interrupted study ends like
another one. A trial that was killed, or has failed, is tried again by the next command: the new trial takes its place.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from recbole_idp.errors import UserError
from recbole_idp.evaluation.metrics import goodness, smaller_is_better
from recbole_idp.run.reports import OPTUNA_REMEDY, PRUNER, make_pruner, open_storage, report

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from recbole_idp.leaderboard.space import Space

_PLACE, _ERROR = "place", "error"
_AT_RANDOM = 5
"""Trials before TPE chooses: the defaults, and others at random."""


class Begun(NamedTuple):
    """A trial that has begun.

    Attributes:
        number: Its number in the study.
        params: The value of each key.
    """

    number: int
    params: dict[str, Any]


def optuna_version() -> str:
    """Return the version of Optuna.

    Raises:
        UserError: It cannot be imported.
    """
    try:
        import optuna
    except ImportError as error:
        raise UserError(f"tune needs Optuna, which cannot be imported ({error}): {OPTUNA_REMEDY}") from error
    return optuna.__version__


class RowStudy:
    """The trials of one row on one dataset.

    Args:
        file: The SQLite file; its folder is there.
        title: Name of the study.
        space: What is searched.
        first: The values of the first trial, which lie in the space.
        metric: The metric of the validation.
        pruner: As in :func:`~recbole_idp.run.reports.make_pruner`.
        seed: Seed of the sampler.

    Raises:
        UserError: The file is damaged.
    """

    def __init__(
        self, file: Path, title: str, space: Space, first: Mapping[str, Any], metric: str, pruner: str, seed: int
    ) -> None:
        import optuna

        self.file, self.space, self.metric = file, space, metric
        self._first, self._seed = dict(first), seed
        self._ranges = {key: found.distribution() for key, found in space.items()}
        self._storage = open_storage(file)
        directions = optuna.study.StudyDirection
        self._study = optuna.create_study(
            study_name=title,
            storage=self._storage,
            direction=directions.MINIMIZE if smaller_is_better(metric) else directions.MAXIMIZE,
            pruner=make_pruner(pruner),
            load_if_exists=True,
        )
        self._study.set_user_attr(PRUNER, pruner)
        self._states = optuna.trial.TrialState
        self._begun_here: set[int] = set()
        for trial in self._study.get_trials(deepcopy=False):
            if not trial.state.is_finished():
                self._study.tell(trial.number, state=self._states.FAIL)

    def begin(self, budget: int) -> Begun | None:
        """Begin the next trial: one that was interrupted or has failed before, or else a new one.

        Args:
            budget: The number of trials.

        Returns:
            The trial; None: all have ended.
        """
        import optuna

        found = self._at_places()
        for place, trial in enumerate(found[:budget]):
            if trial.state == self._states.FAIL and place not in self._begun_here:
                # What it has reported counts: its training resumes.
                return self._start(place, trial.params, trial.intermediate_values)
        place = len(found)
        if place >= budget:
            return None
        if place == 0:
            return self._start(place, self._first, {})
        self._study.sampler = optuna.samplers.TPESampler(n_startup_trials=_AT_RANDOM, seed=_digits(self._seed, place))
        asked = self._study.ask(self._ranges)
        asked.set_user_attr(_PLACE, place)
        self._begun_here.add(place)
        return Begun(asked.number, dict(asked.params))

    def replay(self, number: int, reported: Iterable[tuple[int, float]], value: float) -> None:
        """End a trial whose training is known, as if it was trained now.

        Args:
            number: The trial.
            reported: The epochs and their validation.
            value: Its best validation.
        """
        trial_id = self._trial(number)._trial_id
        if not any(report(self._study, self._storage, trial_id, epoch, found) for epoch, found in reported):
            self.finish(number, value)

    def finish(self, number: int, value: float) -> None:
        """End a trial with its best validation."""
        self._study.tell(number, value)

    def fail(self, number: int, why: str) -> None:
        """End a trial that has no result, unless the study has ended it itself."""
        trial = self._trial(number)
        if trial.state != self._states.PRUNED:
            self._storage.set_trial_user_attr(trial._trial_id, _ERROR, why)
            self._study.tell(number, state=self._states.FAIL)

    def left(self, budget: int) -> int:
        """Return how many trials have not begun."""
        return max(0, budget - len(self._at_places()))

    def trials(self, budget: int) -> list[dict[str, Any]]:
        """Return the trials that have ended, JSON-serialisable.

        Args:
            budget: Their number at most; a study that was once longer has more.

        Returns:
            Of each ``trial`` (from 0), ``params``, ``state`` (complete, pruned or failed), ``value`` (its best
            validation; None: there is none), ``epochs`` (None: unknown) and ``error`` (of a failed one).
        """
        return [self._shown(place, trial) for place, trial in enumerate(self._at_places()[:budget])]

    def importance(self, budget: int) -> dict[str, float]:
        """Return the share of each key in the variance of the validation, by fANOVA; empty where there is too little.

        Args:
            budget: As of :meth:`trials`.
        """
        import optuna

        complete = [trial for trial in self._at_places()[:budget] if trial.state == self._states.COMPLETE]
        if len({trial.value for trial in complete}) < 2:
            return {}
        counted = optuna.create_study(direction=self._study.direction)
        counted.add_trials(complete)
        try:
            evaluator = optuna.importance.FanovaImportanceEvaluator(seed=self._seed)
            return {
                key: float(share)
                for key, share in optuna.importance.get_param_importances(counted, evaluator=evaluator).items()
            }
        except RuntimeError:
            # The forest has found no variance.
            return {}

    def best(self, budget: int) -> dict[str, Any] | None:
        """Return the best complete trial, the first of equals; None where none is complete."""
        complete = [trial for trial in self.trials(budget) if trial["state"] == "complete"]
        return max(complete, key=lambda trial: goodness(self.metric, trial["value"]), default=None)

    def _start(self, place: int, params: Mapping[str, Any], reported: Mapping[int, float]) -> Begun:
        """Begin a trial with given values."""
        import optuna

        trial = optuna.create_trial(
            state=self._states.RUNNING,
            params=dict(params),
            distributions=self._ranges,
            intermediate_values=dict(reported),
            user_attrs={_PLACE: place},
        )
        self._study.add_trial(trial)
        self._begun_here.add(place)
        return Begun(self._study.get_trials(deepcopy=False)[-1].number, dict(params))

    def _trial(self, number: int) -> FrozenTrial:
        return self._study.get_trials(deepcopy=False)[number]

    def _at_places(self) -> list[FrozenTrial]:
        """Return the trial at each place, the latest that was tried there."""
        found = {}
        for trial in self._study.get_trials(deepcopy=False):
            if _PLACE in trial.user_attrs:
                found[trial.user_attrs[_PLACE]] = trial
        return [found[place] for place in sorted(found)]

    def _shown(self, place: int, trial: FrozenTrial) -> dict[str, Any]:
        reported = trial.intermediate_values
        value = trial.value
        if trial.state != self._states.COMPLETE:
            value = max(reported.values(), key=lambda found: goodness(self.metric, found), default=None)
        return {
            "trial": place,
            "params": dict(trial.params),
            "state": {"COMPLETE": "complete", "PRUNED": "pruned"}.get(trial.state.name, "failed"),
            "value": value,
            "epochs": max(reported) + 1 if reported else None,
            "error": trial.user_attrs.get(_ERROR),
        }


def _digits(seed: int, place: int) -> int:
    """Return a seed for the sampler of one trial."""
    return int.from_bytes(hashlib.sha256(f"{seed} {place}".encode()).digest()[:4], "big")
