"""A training that goes on where it was interrupted, to the number as if it had not been."""

import os
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from recbole_idp.errors import UserError
from recbole_idp.storage.checkpoint import load_checkpoint, save_checkpoint
from recbole_idp.storage.files import remove_kept
from recbole_idp.train.random_states import random_states, set_random_states
from recbole_idp.train.run_trainer import RunTrainer
from recbole_idp.train.safe_checkpoints import SUFFIX, SafeCheckpoints


def kept_files(folder):
    """Return the files by which a training in this folder goes on: where it stands, and the best model so far."""
    return Path(folder) / "latest.safetensors", Path(folder) / "best.safetensors"


class Resumable(RunTrainer, SafeCheckpoints):
    """Mixin for a RecBole trainer, which saves the state of the training after each epoch with a validation.

    The state is the model, the optimizer, the random numbers and the best score; the best model so far is RecBole's
    checkpoint. Nothing is saved unless :attr:`latest` is given, by :meth:`begin_trial` or :meth:`keep_in`.

    Attributes:
        latest (Path | None): The file of the state, from which :meth:`fit` goes on if it is there.
        earlier_seconds (float): How long the training had taken before: when it was interrupted, or what it goes on
            from was trained on the same target.
        generator (torch.Generator | None): The source of random numbers of this trainer alone.
    """

    latest = None
    generator = None
    counters = ("cur_step",)
    """Numbers among the trainer's attributes that belong to the state."""

    def begin_trial(self, name: str, start: Any = None, resume_file: Path | None = None) -> None:
        """Take over the trial's name into the checkpoint's; see :meth:`RunTrainer.begin_trial`."""
        super().begin_trial(name, start, resume_file)
        self.saved_model_file = f"{self.saved_model_file.removesuffix(SUFFIX)}-{name}{SUFFIX}"
        self.latest = resume_file

    def discard_checkpoint(self) -> None:
        """Remove the checkpoint of a training that failed, unless the training can go on from it."""
        if not (self.latest and self.latest.is_file()):
            super().discard_checkpoint()

    def keep_in(self, folder):
        """Keep where training stands, and its checkpoints, in a folder of its own.

        Args:
            folder (str | Path): The folder.
        """
        self.latest, best = kept_files(folder)
        self.saved_model_file = str(best)

    @contextmanager
    def preparing(self):
        """Time a block that makes what the training starts from, and leave the CPU's random numbers as they were.

        Training draws the same numbers whether there was something to encode or to pre-train, or all was found.
        """
        state, began = torch.get_rng_state(), time.perf_counter()
        yield
        torch.set_rng_state(state)
        self.preparation_seconds += time.perf_counter() - began

    def discard(self):
        """Remove what :meth:`keep_in` keeps, as the caller has the result, and the folder if nothing else is in it."""
        remove_kept(kept_files(self.latest.parent))

    def fit(self, train_data, valid_data=None, verbose=True, saved=True, show_progress=False, callback_fn=None):
        """Train, or go on; arguments and result as in RecBole."""
        began = time.perf_counter()
        if state := self._saved_state():
            self._restore_state(train_data, *state)
        earlier = self.earlier_seconds

        def after_epoch(epoch, valid_score):
            self._after_epoch(epoch)
            if self.latest and saved:
                self._save_state(epoch, train_data, earlier + time.perf_counter() - began)
            if callback_fn:
                callback_fn(epoch, valid_score)

        if state and (self.start_epoch >= self.epochs or self.cur_step > self.stopping_step):
            self.eval_collector.data_collect(train_data)
            return self.best_valid_score, self.best_valid_result
        return super().fit(train_data, valid_data, verbose, saved, show_progress, after_epoch)

    def _after_epoch(self, epoch):
        """Called after each epoch with a validation, before the state is saved."""

    def _save_state(self, epoch, train_data, seconds):
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

    def _saved_state(self):
        """Return the state to go on from; None where there is none, or a file was damaged since."""
        if not (self.latest and self.latest.is_file()):
            return None
        try:
            state = load_checkpoint(self.latest)
            load_checkpoint(self.latest.parent / state[1]["best"])
        except (UserError, KeyError) as error:
            self.logger.warning(f"the training starts anew: {error}")
            return None
        return state

    def _restore_state(self, train_data, state, description, optimizer):
        self.model.load_state_dict(state)
        self.optimizer.load_state_dict(optimizer)
        self.saved_model_file = os.path.normpath(self.latest.parent / description["best"])
        self.start_epoch, self.earlier_seconds = description["epoch"] + 1, description["seconds"]
        self.best_valid_score = description["best_valid_score"]
        self.best_valid_result = description["best_valid_result"]
        for name in self.counters:
            setattr(self, name, description["counters"][name])
        set_random_states(description["random"], self._generators(train_data), self.device)
        self.logger.info(f"An interrupted training goes on after epoch {description['epoch']}: {self.latest}")

    def _generators(self, train_data):
        """Return the sources of random numbers that this training alone draws from."""
        return [generator for generator in (self.generator, train_data.generator) if generator is not None]
