"""A training that goes on where it was interrupted, to the number as if it had not been."""

from pathlib import Path

import torch

from recbole_idp.data.batches import Passes
from recbole_idp.files import fingerprint, remove_kept
from recbole_idp.trainer.base import SequenceTrainer
from recbole_idp.trainer.checkpoint import load_checkpoint, save_checkpoint


class ResumableTrainer(SequenceTrainer):
    """Keeps after each epoch where the training stands, and the best model so far.

    What an epoch draws depends on the seed and its number alone.

    Args:
        config (Config): RecBole's configuration.
        model (SequenceModel): The model.
        folder (Path): Where both are kept, as ``latest.safetensors`` and ``best.safetensors``.
    """

    def __init__(self, config, model, folder):
        super().__init__(config, model)
        self._latest = Path(folder) / "latest.safetensors"
        self.saved_model_file = str(Path(folder) / "best.safetensors")

    def fit(self, train_data, valid_data=None, verbose=True, saved=True, show_progress=False, callback_fn=None):
        """Trains, or goes on; arguments and result as in RecBole."""
        if self._latest.is_file():
            self._go_on()
        if self.start_epoch < self.epochs and self.cur_step <= self.stopping_step:
            super().fit(train_data, valid_data, verbose, saved, show_progress, self._keep)
        return self.best_valid_score, self.best_valid_result

    @property
    def files(self):
        """list[Path]: What is kept, until :meth:`discard`."""
        return [self._latest, Path(self.saved_model_file)]

    def discard(self):
        """Removes what is kept, as the caller has the result, and the folder if nothing else is in it."""
        remove_kept(self.files)

    def _train_epoch(self, train_data, epoch_idx, loss_func=None, show_progress=False):
        seed = int(fingerprint([self.config["seed"], epoch_idx])[:12], 16)
        generator = torch.Generator().manual_seed(seed)
        one_pass = self.model.training_batches(train_data.dataset.targets(), self.config, generator)
        self._batches = Passes(one_pass, self.config["epoch_steps"])
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return super()._train_epoch(train_data, epoch_idx, loss_func, show_progress)

    def _keep(self, epoch, valid_score):
        description = {
            "epoch": epoch,
            "cur_step": self.cur_step,
            "best_valid_score": float(self.best_valid_score),
            "best_valid_result": dict(self.best_valid_result),
            "trained_targets": self.trained_targets,
            "trained_seconds": self.trained_seconds,
        }
        save_checkpoint(self._latest, self.model, description, self.optimizer)

    def _go_on(self):
        state, description, optimizer = load_checkpoint(self._latest)
        self.model.load_state_dict(state)
        self.optimizer.load_state_dict(optimizer)
        self.start_epoch, self.cur_step = description["epoch"] + 1, description["cur_step"]
        self.best_valid_score, self.best_valid_result = (
            description["best_valid_score"],
            description["best_valid_result"],
        )
        self.trained_targets, self.trained_seconds = description["trained_targets"], description["trained_seconds"]
        self.logger.info(f"An interrupted training goes on after epoch {description['epoch']}: {self._latest}")
