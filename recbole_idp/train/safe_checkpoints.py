"""Write checkpoints of RecBole's trainers without pickle."""

from __future__ import annotations

import logging
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recbole_idp.config.derive import given_values
from recbole_idp.storage.checkpoint import load_checkpoint, save_checkpoint

if TYPE_CHECKING:
    import torch
    from recbole.config import Config

SUFFIX = ".safetensors"
"""The ending of a checkpoint's name."""


class SafeCheckpoints:
    """Mixin for a RecBole trainer: checkpoints are safetensors files, and each training has its own."""

    # RecBole's attributes of a trainer.
    config: Config
    model: torch.nn.Module
    optimizer: torch.optim.Optimizer
    logger: logging.Logger
    device: torch.device
    epochs: int
    start_epoch: int
    stopping_step: int
    cur_step: int
    best_valid_score: float
    best_valid_result: dict[str, float]
    eval_collector: Any
    saved_model_file: str

    def __init__(self, config: Config, model: torch.nn.Module) -> None:
        super().__init__(config, model)  # type: ignore[call-arg]  # RecBole's
        # RecBole names files by the second; two trainings that start together must not share one.
        self.saved_model_file = f"{Path(self.saved_model_file).with_suffix('')}-{secrets.token_hex(4)}{SUFFIX}"

    def restore(self, path: str | Path) -> None:
        """Load the model's weights from a checkpoint.

        Args:
            path: A file that this trainer wrote.

        Raises:
            UserError: The file is missing or damaged, or has another format.
        """
        state, _, _ = load_checkpoint(path)
        self.model.load_state_dict(state)
        self.logger.info(f"Loading model structure and parameters from {path}")

    def _save_checkpoint(self, epoch: int, verbose: bool = True, **kwargs: Any) -> None:
        """Save a checkpoint; arguments as in RecBole."""
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

    def resume_checkpoint(self, resume_file: str | Path) -> None:
        """Load the model, the optimizer and the training progress from a checkpoint."""
        state, description, optimizer = load_checkpoint(resume_file)
        assert optimizer is not None  # _save_checkpoint writes its state
        self.saved_model_file = str(resume_file)
        self.start_epoch = description["epoch"] + 1
        self.cur_step = description["cur_step"]
        self.best_valid_score = description["best_valid_score"]
        self.model.load_state_dict(state)
        self.optimizer.load_state_dict(optimizer)
        self.logger.info(f"Checkpoint loaded. Resume training from epoch {self.start_epoch}")
