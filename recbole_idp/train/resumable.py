"""Resume an interrupted training, with the same numbers as without the interruption."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from recbole_idp.errors import UserError
from recbole_idp.storage.checkpoint import load_checkpoint, save_checkpoint
from recbole_idp.storage.files import remove_kept
from recbole_idp.train.random_states import random_states, set_random_states
from recbole_idp.train.run_trainer import RunTrainer
from recbole_idp.train.safe_checkpoints import SUFFIX, SafeCheckpoints

if TYPE_CHECKING:
    from recbole.data.dataloader import AbstractDataLoader

    from recbole_idp.data.domains import TargetLoader


def kept_files(folder: str | Path) -> tuple[Path, Path]:
    """Return the files of the training state and of the best model so far in a folder."""
    return Path(folder) / "latest.safetensors", Path(folder) / "best.safetensors"


class Resumable(RunTrainer, SafeCheckpoints):
    """Mixin for a RecBole trainer, which saves the state of the training after each epoch with a validation.

    The state is the model, the optimizer, the random numbers and the best score; the best model so far is RecBole's
    checkpoint. Nothing is saved unless :attr:`latest` is given, by :meth:`begin_trial` or :meth:`keep_in`.

    Attributes:
        latest: The file of the state, from which :meth:`fit` resumes if it exists.
        earlier_seconds: Seconds of training before: until the interruption, or for earlier training on the same
            target.
        generator: Random number generator of this trainer alone.
    """

    saved_model_file: str
    latest: Path | None = None
    generator: torch.Generator | None = None
    counters: tuple[str, ...] = ("cur_step",)
    """Attributes with numbers that belong to the state."""

    def begin_trial(self, name: str, start: Any = None, resume_file: Path | None = None) -> None:
        """Add the trial's name to the checkpoint's; see :meth:`RunTrainer.begin_trial`."""
        super().begin_trial(name, start, resume_file)
        self.saved_model_file = f"{self.saved_model_file.removesuffix(SUFFIX)}-{name}{SUFFIX}"
        self.latest = resume_file

    def discard_checkpoint(self) -> None:
        """Remove the checkpoint of a training that failed, unless it can be resumed."""
        if not (self.latest and self.latest.is_file()):
            super().discard_checkpoint()

    def keep_in(self, folder: str | Path) -> None:
        """Keep the training state and the checkpoint in a folder.

        Args:
            folder: The folder.
        """
        self.latest, best = kept_files(folder)
        self.saved_model_file = str(best)

    @contextmanager
    def preparing(self) -> Iterator[None]:
        """Time a block that prepares the start of training, and restore the CPU's random numbers after it.

        So training draws the same numbers whether texts are encoded and a model is pre-trained, or both are cached.
        """
        state, began = torch.get_rng_state(), time.perf_counter()
        yield
        torch.set_rng_state(state)
        self.preparation_seconds += time.perf_counter() - began

    def discard(self) -> None:
        """Remove the files of :meth:`keep_in`, and their folder if it is empty then."""
        assert self.latest is not None  # as keep_in sets it
        remove_kept(kept_files(self.latest.parent))

    def fit(
        self,
        train_data: AbstractDataLoader | TargetLoader,
        valid_data: AbstractDataLoader | TargetLoader | None = None,
        verbose: bool = True,
        saved: bool = True,
        show_progress: bool = False,
        callback_fn: Callable[[int, float], object] | None = None,
    ) -> tuple[float, dict[str, float]]:
        """Prepare and train the model, or resume; arguments and result as in RecBole."""
        if self.start_epoch == 0:
            with self.preparing():
                self.prepare_model(train_data.dataset, valid_data.dataset if valid_data else None)
        if self.is_trained():
            best = self._train(train_data, valid_data, verbose, saved, show_progress, callback_fn)
        else:
            best = self._keep_as_prepared(train_data, valid_data, verbose, saved, show_progress)
        self.after_training()
        return best

    def _keep_as_prepared(
        self,
        train_data: AbstractDataLoader | TargetLoader,
        valid_data: AbstractDataLoader | TargetLoader | None,
        verbose: bool,
        saved: bool,
        show_progress: bool,
    ) -> tuple[float, dict[str, float]]:
        """Validate and save the model without training; arguments and result as of :meth:`fit`."""
        self.eval_collector.data_collect(train_data)
        if valid_data:
            self.best_valid_score, self.best_valid_result = self._valid_epoch(  # type: ignore[attr-defined]  # RecBole's
                valid_data, show_progress
            )
        if saved:
            self._save_checkpoint(-1, verbose=verbose)
        self.logger.info("The model is used as it was prepared, without training")
        return self.best_valid_score, self.best_valid_result

    def _train(
        self,
        train_data: AbstractDataLoader | TargetLoader,
        valid_data: AbstractDataLoader | TargetLoader | None,
        verbose: bool,
        saved: bool,
        show_progress: bool,
        callback_fn: Callable[[int, float], object] | None,
    ) -> tuple[float, dict[str, float]]:
        """Train, or resume; arguments and result as of :meth:`fit`."""
        began = time.perf_counter()
        if state := self._saved_state():
            self._restore_state(train_data, *state)
        earlier = self.earlier_seconds

        def after_epoch(epoch: int, valid_score: float) -> None:
            self._after_epoch(epoch)
            if callback_fn:
                # Before the state is saved: a training that resumes has told of every epoch that it does not repeat.
                callback_fn(epoch, valid_score)
            if self.latest and saved:
                self._save_state(epoch, train_data, earlier + time.perf_counter() - began)

        if state and (self.start_epoch >= self.epochs or self.cur_step > self.stopping_step):
            self.eval_collector.data_collect(train_data)
            return self.best_valid_score, self.best_valid_result
        fit = super().fit  # type: ignore[misc]  # RecBole's
        return fit(train_data, valid_data, verbose, saved, show_progress, after_epoch)

    def _after_epoch(self, epoch: int) -> None:
        """Do more work after each epoch with a validation, before the state is saved."""

    def _save_state(self, epoch: int, train_data: AbstractDataLoader | TargetLoader, seconds: float) -> None:
        """Save the training state after an epoch."""
        assert self.latest is not None  # as fit checks
        description = {
            "epoch": epoch,
            "best": os.path.relpath(self.saved_model_file, self.latest.parent),
            "best_valid_score": float(self.best_valid_score),
            "best_valid_result": dict(self.best_valid_result),
            "counters": {name: getattr(self, name) for name in self.counters},
            "seconds": seconds,
            "random": random_states(self._generators(train_data), self.device),
        }
        save_checkpoint(self.latest, self.model, description, self.optimizer)

    def _save_beginning(self, train_data: AbstractDataLoader | TargetLoader) -> None:
        """Save the state before the first epoch of a further stage, whose best model replaces that of the one before.

        Without it a training that is interrupted in that epoch would begin the stage from the wrong model.
        """
        if self.latest and self.latest.is_file():
            self._save_state(-1, train_data, load_checkpoint(self.latest)[1]["seconds"])

    def _saved_state(self) -> tuple[dict[str, torch.Tensor], dict[str, Any], dict[str, Any] | None] | None:
        """Return the saved state; None if there is none, or a file is damaged."""
        if not (self.latest and self.latest.is_file()):
            return None
        try:
            state = load_checkpoint(self.latest)
            load_checkpoint(self.latest.parent / state[1]["best"])
        except (UserError, KeyError, TypeError) as error:
            self.logger.warning(f"training starts again from the beginning: {error}")
            return None
        return state

    def _restore_state(
        self,
        train_data: AbstractDataLoader | TargetLoader,
        state: dict[str, torch.Tensor],
        description: dict[str, Any],
        optimizer: dict[str, Any] | None,
    ) -> None:
        """Restore a saved state, to resume after its epoch."""
        assert self.latest is not None  # as the state is read from it
        assert optimizer is not None  # as _save_state writes it
        self.model.load_state_dict(state)
        self.optimizer.load_state_dict(optimizer)
        self.saved_model_file = os.path.normpath(self.latest.parent / description["best"])
        self.start_epoch, self.earlier_seconds = description["epoch"] + 1, description["seconds"]
        self.best_valid_score = description["best_valid_score"]
        self.best_valid_result = description["best_valid_result"]
        for name in self.counters:
            setattr(self, name, description["counters"][name])
        set_random_states(description["random"], self._generators(train_data), self.device)
        self.logger.info(f"Training resumes after epoch {description['epoch']}: {self.latest}")

    def _generators(self, train_data: AbstractDataLoader | TargetLoader) -> list[torch.Generator]:
        """Return the random number generators of this training alone."""
        return [generator for generator in (self.generator, train_data.generator) if generator is not None]
