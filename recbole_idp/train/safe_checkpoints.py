"""Checkpoints of RecBole's trainers without pickle."""

import os
from pathlib import Path

from recbole_idp.config.derive import given_values
from recbole_idp.storage.checkpoint import load_checkpoint, save_checkpoint

SUFFIX = ".safetensors"
"""The ending of a checkpoint's name."""


class SafeCheckpoints:
    """Mixin for a RecBole trainer, whose checkpoints become safetensors files, each process's own."""

    def __init__(self, config, model):
        super().__init__(config, model)
        # RecBole names files by the second; two runs that start together must not share one.
        self.saved_model_file = f"{Path(self.saved_model_file).with_suffix('')}-{os.getpid()}{SUFFIX}"

    def restore(self, path):
        """Load the model's weights from a checkpoint.

        Args:
            path (str | Path): A file that this trainer wrote.

        Raises:
            UserError: The file is missing, damaged, or none of ours.
        """
        state, _, _ = load_checkpoint(path)
        self.model.load_state_dict(state)
        self.logger.info(f"Loading model structure and parameters from {path}")

    def _save_checkpoint(self, epoch, verbose=True, **kwargs):
        if not self.config["single_spec"] and self.config["local_rank"] != 0:
            return
        path = kwargs.pop("saved_model_file", self.saved_model_file)
        description = {
            "model": self.config["model"],
            "dataset": self.config["dataset"],
            "config": given_values(self.config),
            "epoch": epoch,
            "cur_step": self.cur_step,
            "best_valid_score": float(self.best_valid_score),
        }
        save_checkpoint(path, self.model, description, self.optimizer)
        if verbose:
            self.logger.info(f"Saving current: {path}")

    def resume_checkpoint(self, resume_file):
        """Load the model, the optimizer and the place in the training from a checkpoint."""
        state, description, optimizer = load_checkpoint(resume_file)
        self.saved_model_file = str(resume_file)
        self.start_epoch = description["epoch"] + 1
        self.cur_step = description["cur_step"]
        self.best_valid_score = description["best_valid_score"]
        self.model.load_state_dict(state)
        self.optimizer.load_state_dict(optimizer)
        self.logger.info(f"Checkpoint loaded. Resume training from epoch {self.start_epoch}")
