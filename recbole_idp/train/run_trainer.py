"""What a run asks of a trainer, whatever model it trains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from recbole_idp.train.clock import StageClock

if TYPE_CHECKING:
    from recbole.config import Config

    from recbole_idp.data.dataset import SequenceDataset


@dataclass(frozen=True)
class TrainingRecord:
    """What a trainer knows of a training once the model is evaluated.

    Attributes:
        ranks (torch.LongTensor | None): Rank of each target of the last evaluation, from 1; shape [R]. None where the
            protocol has no ranks.
        targets_per_second (float): Training targets a second; 0 where they are not counted.
        earlier_seconds (float): How long the training took before this process took it up; see
            :class:`~recbole_idp.train.resumable.Resumable`.
        preparation_seconds (float): How long this process took to make, or find, what the training starts from.
        checkpoint (str | None): The file with the best model; None where nothing is saved.
    """

    ranks: torch.Tensor | None
    targets_per_second: float
    earlier_seconds: float
    preparation_seconds: float
    checkpoint: str | None


class RunTrainer:
    """Mixin for a RecBole trainer, which makes it one that a run can use.

    :func:`~recbole_idp.run.run.run` reads ``variants`` and calls the class methods; for each trial it makes a trainer
    and calls :meth:`begin_trial`, RecBole's ``fit`` and ``evaluate``, and :meth:`record`.

    Attributes:
        variants (Mapping[str, str]): The starts that a run compares and what each is; empty: there is one, and the
            trial has the model's name.
        stage (str): The stage as which ``fit`` is timed.
        start (object | None): What :meth:`prepare_start` returned.
        ranks (torch.LongTensor | None): As in :class:`TrainingRecord`.
        targets_per_second (float): As in :class:`TrainingRecord`.
    """

    variants: Mapping[str, str] = {}
    stage: str = "train"
    start: Any = None
    ranks: torch.Tensor | None = None
    targets_per_second = 0.0
    earlier_seconds = 0.0
    preparation_seconds = 0.0
    saved_model_file: str | None

    @classmethod
    def check_config(cls, config: Config) -> None:
        """Reject keys that this trainer would silently ignore.

        Args:
            config (Config): The configuration.

        Raises:
            UserError: A key is set.
        """

    @classmethod
    def check_sources(cls, config: Config, variants: Sequence[str]) -> None:
        """Check, before the target is read, the source domains that some variants need.

        Args:
            config (Config): The configuration.
            variants (Sequence[str]): What is going to be trained.

        Raises:
            UserError: A source domain cannot be used.
        """

    @classmethod
    def prepare_start(cls, config: Config, dataset: SequenceDataset, variants: Sequence[str], clock: StageClock) -> Any:
        """Make, or find, what some variants start from.

        Args:
            config (Config): The configuration.
            dataset (SequenceDataset): The training part of the target.
            variants (Sequence[str]): What is going to be trained.
            clock (StageClock): Where stages are timed.

        Returns:
            object | None: What :meth:`begin_trial` takes; None: nothing is shared by the trials.
        """
        return None

    def begin_trial(self, name: str, start: Any = None, resume_file: Path | None = None) -> None:
        """Tell the trainer, before ``fit``, which trial of a run it trains.

        Args:
            name (str): The trial's name, which becomes a part of the checkpoint's.
            start (object | None): What :meth:`prepare_start` returned.
            resume_file (Path | None): Where the state of the training is kept, and from which it goes on; None: it is
                not kept. A trainer that cannot go on starts anew.
        """
        self.start = start

    def discard_checkpoint(self) -> None:
        """Remove the checkpoint of a training that failed, unless the training can go on from it."""
        if self.saved_model_file:
            Path(self.saved_model_file).unlink(missing_ok=True)

    def record(self) -> TrainingRecord:
        """Return what is known of the training.

        Returns:
            TrainingRecord: After ``evaluate``.
        """
        return TrainingRecord(
            ranks=self.ranks,
            targets_per_second=self.targets_per_second,
            earlier_seconds=self.earlier_seconds,
            preparation_seconds=self.preparation_seconds,
            checkpoint=self.saved_model_file,
        )
