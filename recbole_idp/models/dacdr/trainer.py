"""Training of DA-CDR (own reconstruction) on a target and its sources together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch

from recbole_idp.data.domains import source_locations
from recbole_idp.models.dacdr.reversal import reversal_strength
from recbole_idp.train.trainer import SequenceTrainer

if TYPE_CHECKING:
    from recbole.config import Config

    from recbole_idp.models.dacdr.data import TwoDomainBatch
    from recbole_idp.models.dacdr.model import DACDR


class DACDRTrainer(SequenceTrainer):
    """Train on half source, half target batches; the target's validation decides on the best epoch.

    The strength of the gradient reversal grows with the epochs. After each of them it is logged how well the
    discriminators tell the domains apart, and how much shared and private parts overlap.
    """

    model: DACDR
    shares_steps = False

    def __init__(self, config: Config, model: DACDR) -> None:
        super().__init__(config, model)
        self._found: list[tuple[torch.Tensor, ...]] = []

    @classmethod
    def check_sources(cls, config: Config, variants: Sequence[str]) -> None:
        """Check the source domains, before the target is read."""
        source_locations(config)

    def _training_loss(self, batch: TwoDomainBatch) -> torch.Tensor:
        """Return the loss of a batch, and keep what is reported of it."""
        loss, *reported = self.model.joint_loss(batch)
        self._found.append(tuple(reported))
        return loss

    def _train_epoch(
        self,
        train_data: Any,
        epoch_idx: int,
        loss_func: Callable[[Any], torch.Tensor] | None = None,
        show_progress: bool = False,
    ) -> float:
        """Train one epoch, and log its means; arguments as in RecBole."""
        self._found.clear()
        self.model.strength = reversal_strength(min(1.0, epoch_idx / self.model.settings.reversal_epochs))
        loss = super()._train_epoch(train_data, epoch_idx, loss_func, show_progress)
        users, items, overlap = (float(torch.stack(values).mean()) for values in zip(*self._found, strict=True))
        self.logger.info(
            f"epoch {epoch_idx}: gradient reversal {self.model.strength:.2f}; the discriminators find the domain of "
            f"{users:.1%} of the users' states and of {items:.1%} of the items (chance: 50 %); overlap of shared and "
            f"private parts {overlap:.3g}"
        )
        return loss
