"""Training of P5 on prompts: AdamW, a learning rate that grows and then falls (RecSys 2022, Section 5.1)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import torch

from recbole_idp.data.rows import Passes
from recbole_idp.models.p5.batches import PromptBatch, PromptBatches
from recbole_idp.train.estimate import estimate_line
from recbole_idp.train.trainer import SequenceTrainer

if TYPE_CHECKING:
    from recbole.data.dataloader import AbstractDataLoader

    from recbole_idp.data.domains import TargetLoader
    from recbole_idp.models.p5.prompt_model import PromptModel

_EPS = 1e-6


class PromptTrainer(SequenceTrainer):
    """Trains P5 on the prompts that each epoch draws.

    The learning rate grows over the first steps, and falls to zero at the last step of ``epochs``, whether or not early
    stopping ends the training before. The paper keeps the epoch with the lowest validation loss; here, as for all
    models, the validation metric decides.

    Attributes:
        taken_steps: Steps so far.
    """

    model: PromptModel
    # Items outside the beam have no scores that another model's could be added to.
    fuses = False
    shares_steps = False

    counters: tuple[str, ...] = (*SequenceTrainer.counters, "taken_steps")

    def __init__(self, config: Any, model: PromptModel) -> None:
        super().__init__(config, model)
        self.taken_steps = 0

    def _build_optimizer(self, **kwargs: Any) -> torch.optim.Optimizer:
        """Make AdamW with the paper's epsilon; other learners as RecBole does."""
        optimizer = super()._build_optimizer(**kwargs)
        if self.learner.lower() == "adamw":
            for group in optimizer.param_groups:
                group["eps"] = _EPS
        return optimizer

    def _training_batches(self, train_data: AbstractDataLoader | TargetLoader) -> Iterable[Any]:
        """Return the batches of an epoch, with prompts about the ratings of the training part."""
        if self._batches is None:
            dataset = train_data.dataset
            sampler = self.model.sampler(dataset.targets(), self.model.read_ratings(dataset))
            assert self.generator is not None  # as SequenceTrainer has one
            one_pass = PromptBatches(sampler, self.config["train_batch_size"], self.generator)
            self._batches = Passes(one_pass, self.config["epoch_steps"])  # type: ignore[arg-type]  # of prompts
            self._total = self.epochs * len(self._batches)
        return self._batches

    def _train_epoch(
        self, train_data: AbstractDataLoader | TargetLoader, epoch_idx: int, *args: Any, **kwargs: Any
    ) -> float:
        """Train one epoch; before the first one, say what it draws and how long it will take."""
        if self.taken_steps == 0:
            line = estimate_line(self, train_data)
            self.logger.info(f"P5 trains on prompts in {len(self.model.tokenizer):,} pieces: {line}")
        return super()._train_epoch(train_data, epoch_idx, *args, **kwargs)

    def _training_loss(self, batch: PromptBatch) -> torch.Tensor:
        """Return the loss of a batch, and set the learning rate of its step."""
        rate = self.learning_rate * scheduled(self.taken_steps, self._total, self.config["warmup_share"])
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.taken_steps += 1
        return super()._training_loss(batch)


def scheduled(step: int, total: int, warmup_share: float) -> float:
    """Return the factor of the learning rate at a step: a line up to 1 and a line down to 0.

    Args:
        step: Number of the step, from 0.
        total: Steps of the whole training.
        warmup_share: Share of them in which it grows.
    """
    warmup = max(1, round(total * warmup_share)) if warmup_share else 0
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return max(0.0, (total - step) / max(1, total - warmup))
