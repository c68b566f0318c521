"""Training of models with a content encoder of its own learning rate."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import torch

from recbole_idp.content.trainable.memory import gigabytes
from recbole_idp.errors import UserError
from recbole_idp.train.estimate import estimate_line
from recbole_idp.train.memory import available_bytes
from recbole_idp.train.trainer import SequenceTrainer

if TYPE_CHECKING:
    from recbole.data.dataloader import AbstractDataLoader

    from recbole_idp.data.domains import TargetLoader


# States of a step are not all: of 22 GiB, a step with 13.9 GiB of states has not left enough for its gradients, for
# what is freed and not given back, and for the evaluation.
_USABLE = 0.55


def _usable_bytes(device: torch.device) -> int:
    """Return the bytes that the states of a step may take."""
    return int(_USABLE * available_bytes(device))


class EncoderTrainer(SequenceTrainer):
    """Train a content encoder together with the recommender: two learning rates, and an estimate before it starts.

    The model has ``encoder_parameters()``. Where it yields none, the training is that of :class:`SequenceTrainer`.
    Its ``step_memory()`` says what a step takes, which is compared with what there is.
    """

    # Layers of an encoder are entered and lengthened by hooks, which cannot be sent to another process.
    shares_steps = False

    def _build_optimizer(self, **kwargs: Any) -> torch.optim.Optimizer:
        """Make the optimizer, with a group of its own for the content encoder; arguments as in RecBole."""
        tuned = list(self.model.encoder_parameters())
        if not tuned or "params" in kwargs:
            return super()._build_optimizer(**kwargs)
        names = {id(parameter) for parameter in tuned}
        others = [parameter for parameter in self.model.parameters() if id(parameter) not in names]
        group = {
            "params": tuned,
            "lr": self.config["encoder_learning_rate"],
            "weight_decay": self.config["encoder_weight_decay"],
        }
        return super()._build_optimizer(**kwargs, params=[{"params": others}, group])

    def _train_epoch(
        self, train_data: AbstractDataLoader | TargetLoader, epoch_idx: int, *args: Any, **kwargs: Any
    ) -> float:
        """Train one epoch; before the first one of a process, say how long it will take."""
        if self.trained_targets == 0 and any(True for _ in self.model.encoder_parameters()):
            self._estimate(train_data)
        return super()._train_epoch(train_data, epoch_idx, *args, **kwargs)

    def _check_memory(self) -> str:
        """Estimate the memory of a step, and return it in words, empty where it is not known.

        Raises:
            UserError: It is more than there is.
        """
        sizes = self.model.step_memory(self.config["train_batch_size"])
        if sizes is None:
            return ""
        limit = self.config["memory_limit_mb"]
        room = _usable_bytes(self.device) if limit is None else limit << 20
        if sizes.n_bytes > room:
            raise UserError(
                f"training the content encoder takes about {gigabytes(sizes.n_bytes)} of memory a step, and "
                f"{gigabytes(room)} are available: {sizes.remedy(room)}"
            )
        return f"; a step takes about {gigabytes(sizes.n_bytes)} of memory"

    def _estimate(self, train_data: AbstractDataLoader | TargetLoader) -> None:
        """Log what an epoch takes, from some steps whose gradients are thrown away; no random draw is used up."""
        memory = self._check_memory()
        line = estimate_line(self, train_data)
        count = sum(parameter.numel() for parameter in self.model.encoder_parameters())
        logging.getLogger().info(f"The content encoder is trained, {count:,} of its parameters: {line}{memory}")
