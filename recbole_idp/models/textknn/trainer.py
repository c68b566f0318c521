"""What a run needs of a model that is not trained."""

from __future__ import annotations

from typing import Any

import torch

from recbole_idp.train.trainer import SequenceTrainer


class UntrainedTrainer(SequenceTrainer):
    """Evaluate and keep a model without parameters as it is."""

    def _build_optimizer(self, **kwargs: Any) -> torch.optim.Optimizer:
        """Make an optimizer of nothing; arguments as in RecBole."""
        return torch.optim.SGD([{"params": []}])

    def is_trained(self) -> bool:
        """Return that there is nothing to train."""
        return False
