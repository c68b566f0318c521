"""Training with a learning rate that rises in some steps, and then falls to zero."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recbole_idp.train.estimate import estimate_line
from recbole_idp.train.trainer import SequenceTrainer

if TYPE_CHECKING:
    from collections.abc import Iterable

    import torch
    from recbole.config import Config
    from recbole.data.dataloader import AbstractDataLoader
    from torch import nn

    from recbole_idp.data.domains import TargetLoader

_SHARE = 10


class ScheduledTrainer(SequenceTrainer):
    """:class:`SequenceTrainer` with the schedule of Recformer: linear warm-up, then linear decay to zero.

    The rate of a step depends on its number alone, so that a resumed training goes on with it.

    Attributes:
        steps (int): Steps taken since the schedule began.
    """

    shares_steps = False
    counters: tuple[str, ...] = (*SequenceTrainer.counters, "steps")

    def __init__(self, config: Config, model: nn.Module) -> None:
        super().__init__(config, model)
        self.steps = 0
        self._epoch_steps = 1

    def _training_batches(self, train_data: AbstractDataLoader | TargetLoader) -> Iterable[Any]:
        """Return the batches of an epoch, and count them."""
        batches: Any = super()._training_batches(train_data)
        self._epoch_steps = len(batches)
        return batches  # type: ignore[no-any-return]

    def _train_epoch(
        self, train_data: AbstractDataLoader | TargetLoader, epoch_idx: int, *args: Any, **kwargs: Any
    ) -> float:
        """Train one epoch; before the first one of a schedule, say how long it will take."""
        if self.steps == 0:
            self.logger.info(f"{self.config['model']}: {estimate_line(self, train_data)}")
        return super()._train_epoch(train_data, epoch_idx, *args, **kwargs)

    def _training_loss(self, batch: Any) -> torch.Tensor:
        """Set the learning rate of the step, and return the loss of a batch."""
        share = rate_share(self.steps, self.epochs * self._epoch_steps, self.config["warmup_steps"])
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate * share
        self.steps += 1
        return super()._training_loss(batch)


def rate_share(step: int, total: int, warmup: int) -> float:
    """Return the share of the highest learning rate that a step has.

    Args:
        step: Its number, from 0.
        total: Number of steps.
        warmup: Steps in which the rate rises, a tenth of all at most.

    Returns:
        From 0 to 1.
    """
    warmup = min(warmup, total // _SHARE)
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return max(0.0, (total - step) / max(1, total - warmup))
