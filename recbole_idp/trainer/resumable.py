"""A training that goes on where it was interrupted, to the number as if it had not been."""

from pathlib import Path

import torch

from recbole_idp.errors import UserError
from recbole_idp.files import remove_kept
from recbole_idp.trainer.base import SequenceTrainer
from recbole_idp.trainer.checkpoint import load_checkpoint, save_checkpoint


def kept_files(folder):
    """Returns the files by which a training in this folder goes on: where it stands, and the best model so far."""
    return Path(folder) / "latest.safetensors", Path(folder) / "best.safetensors"


class ResumableTrainer(SequenceTrainer):
    """Keeps after each epoch where the training and its random numbers stand, and the best model so far.

    Args:
        config (Config): RecBole's configuration.
        model (SequenceModel): The model.
        folder (Path): Where both are kept, as ``latest.safetensors`` and ``best.safetensors``.
    """

    def __init__(self, config, model, folder):
        super().__init__(config, model)
        self._latest, best = kept_files(folder)
        self.saved_model_file = str(best)

    def fit(self, train_data, valid_data=None, verbose=True, saved=True, show_progress=False, callback_fn=None):
        """Trains, or goes on; arguments and result as in RecBole."""
        if self._is_whole():
            self._go_on(train_data)
        if self.start_epoch < self.epochs and self.cur_step <= self.stopping_step:
            super().fit(train_data, valid_data, verbose, saved, show_progress, self._keep)
        return self.best_valid_score, self.best_valid_result

    def discard(self):
        """Removes what is kept, as the caller has the result, and the folder if nothing else is in it."""
        remove_kept(kept_files(self._latest.parent))

    def _keep(self, epoch, valid_score):
        description = {
            "epoch": epoch,
            "cur_step": self.cur_step,
            "best_valid_score": float(self.best_valid_score),
            "best_valid_result": dict(self.best_valid_result),
            "trained_targets": self.trained_targets,
            "trained_seconds": self.trained_seconds,
            "random": [_as_text(state) for state in self._random_states()],
        }
        save_checkpoint(self._latest, self.model, description, self.optimizer)

    def _is_whole(self):
        """Returns whether there is something to go on from; files that were damaged since are not looked at again."""
        if not self._latest.is_file():
            return False
        try:
            for path in kept_files(self._latest.parent):
                load_checkpoint(path)
        except UserError as error:
            self.logger.warning(f"the training starts anew: {error}")
            return False
        return True

    def _go_on(self, train_data):
        state, description, optimizer = load_checkpoint(self._latest)
        self.model.load_state_dict(state)
        self.optimizer.load_state_dict(optimizer)
        self.start_epoch, self.cur_step = description["epoch"] + 1, description["cur_step"]
        self.best_valid_score, self.best_valid_result = (
            description["best_valid_score"],
            description["best_valid_result"],
        )
        self.trained_targets, self.trained_seconds = description["trained_targets"], description["trained_seconds"]
        self._training_batches(train_data)
        self._set_random_states([_as_state(text) for text in description["random"]])
        self.logger.info(f"An interrupted training goes on after epoch {description['epoch']}: {self._latest}")

    def _random_states(self):
        """Returns the states of all that training draws from: batches, the processor's numbers, the accelerator's."""
        states = [self.generator.get_state(), torch.get_rng_state()]
        return states + ([torch.cuda.get_rng_state(self.device)] if self.device.type == "cuda" else [])

    def _set_random_states(self, states):
        self.generator.set_state(states[0])
        torch.set_rng_state(states[1])
        if self.device.type == "cuda" and len(states) > 2:
            torch.cuda.set_rng_state(states[2], self.device)


def _as_text(state):
    return state.numpy().tobytes().hex()


def _as_state(text):
    return torch.frombuffer(bytearray.fromhex(text), dtype=torch.uint8)
