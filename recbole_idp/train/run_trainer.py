"""The interface between a run and a trainer, the same for all models."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from recbole_idp.terminal.progress import is_shown
from recbole_idp.train.clock import StageClock
from recbole_idp.train.measuring import Measuring

if TYPE_CHECKING:
    from recbole.config import Config

    from recbole_idp.data.dataset import SequenceDataset


@dataclass(frozen=True)
class TrainingRecord:
    """Facts of a training, once the model is evaluated.

    Attributes:
        ranks: Rank of each target of the last evaluation, from 1; shape [R]. None if the protocol has no ranks.
        targets_per_second: Training targets a second; 0 if they are not counted.
        earlier_seconds: Seconds of training before this process; see :class:`~recbole_idp.train.resumable.Resumable`.
        preparation_seconds: Seconds of preparing the start of training in this process.
        checkpoint: File of the best model; None if nothing is saved.
        facts: Further JSON-serialisable facts of the model.
    """

    ranks: torch.Tensor | None
    targets_per_second: float
    earlier_seconds: float
    preparation_seconds: float
    checkpoint: str | None
    facts: Mapping[str, Any] = field(default_factory=dict)


class RunTrainer(Measuring):
    """Mixin for a RecBole trainer that a run can use.

    :func:`~recbole_idp.run.run.run` reads ``variants`` and calls the class methods; for each trial it makes a trainer
    and calls :meth:`begin_trial`, RecBole's ``fit`` and ``evaluate``, and :meth:`record`.

    Attributes:
        variants: The variants that a run compares, with a description of each; empty: there is one, and the trial has
            the model's name.
        stage: Stage under which ``fit`` is timed.
        start: Result of :meth:`prepare_start`.
        ranks: As in :class:`TrainingRecord`.
        targets_per_second: As in :class:`TrainingRecord`.
        fuses: Whether ``fuse`` may add another model's scores.
        scored: What ``evaluate`` takes scores of, instead of the model itself; None: the model.
    """

    model: Any
    evaluator: Any
    fuses: bool = False
    scored: Any = None
    variants: Mapping[str, str] = {}
    stage: str = "train"
    start: Any = None
    targets_per_second: float = 0.0
    earlier_seconds: float = 0.0
    preparation_seconds: float = 0.0
    saved_model_file: str | None

    @classmethod
    def check_config(cls, config: Config) -> None:
        """Reject keys that this trainer would silently ignore.

        Args:
            config: The configuration.

        Raises:
            UserError: A key is set.
        """

    @classmethod
    def check_sources(cls, config: Config, variants: Sequence[str]) -> None:
        """Check the source domains that some variants need, before the target is read.

        Args:
            config: The configuration.
            variants: The variants that will be trained.

        Raises:
            UserError: A source domain cannot be used.
        """

    @classmethod
    def prepare_start(cls, config: Config, dataset: SequenceDataset, variants: Sequence[str], clock: StageClock) -> Any:
        """Make, or find, what some variants start from, such as a bundle and matches.

        Args:
            config: The configuration.
            dataset: The training part of the target.
            variants: The variants that will be trained.
            clock: Where stages are timed.

        Returns:
            The start for :meth:`begin_trial`; None: trials share nothing.
        """
        return None

    def fit(
        self,
        train_data: Any,
        valid_data: Any = None,
        verbose: bool = True,
        saved: bool = True,
        show_progress: bool = False,
        callback_fn: Callable[[int, float], object] | None = None,
    ) -> tuple[float, dict[str, float]]:
        """Train by RecBole's loop, with progress bars on a terminal; arguments and result as there."""
        fit = super().fit  # type: ignore[misc]  # RecBole's
        return fit(train_data, valid_data, verbose, saved, is_shown(show_progress), callback_fn)

    def evaluate(
        self,
        eval_data: Any,
        load_best_model: bool = True,
        model_file: str | None = None,
        show_progress: bool = False,
    ) -> dict[str, float] | None:
        """Evaluate by RecBole's loop, with a progress bar on a terminal; arguments and result as there."""
        evaluate = super().evaluate  # type: ignore[misc]  # RecBole's
        return evaluate(eval_data, load_best_model, model_file, is_shown(show_progress))

    def prepare_model(self, train_data: Any, valid_data: Any = None) -> None:
        """Load what the model starts from, before training.

        What it draws from PyTorch's random numbers does not change what training draws.

        Args:
            train_data: The training part of the dataset.
            valid_data: The part for validation; None: there is none.
        """

    def is_trained(self) -> bool:
        """Return whether the model is trained; otherwise it is used as it was prepared."""
        return True

    def after_training(self) -> None:
        """Report on the trained model."""

    def begin_trial(self, name: str, start: Any = None, resume_file: Path | None = None) -> None:
        """Set the trial of a run that ``fit`` will train.

        Args:
            name: Name of the trial, which becomes a part of the checkpoint's.
            start: Result of :meth:`prepare_start`.
            resume_file: File of the training state, from which training resumes; None: the state is not kept. A trainer
                that cannot resume starts again.
        """
        self.start = start

    def discard_checkpoint(self) -> None:
        """Remove the checkpoint of a training that failed, unless it can be resumed."""
        if self.saved_model_file:
            Path(self.saved_model_file).unlink(missing_ok=True)

    def restore_best(self) -> None:
        """Load the best weights into the model, where they were saved."""

    def facts(self) -> dict[str, Any]:
        """Return further JSON-serialisable facts of the trained model, by name, for the result."""
        return {}

    def record(self) -> TrainingRecord:
        """Return the facts of the training; call it after ``evaluate``."""
        return TrainingRecord(
            ranks=self.ranks,
            targets_per_second=self.targets_per_second,
            earlier_seconds=self.earlier_seconds,
            preparation_seconds=self.preparation_seconds,
            checkpoint=self.saved_model_file,
            facts=self.facts(),
        )
