"""Training of CLUE on a target, from what was pre-trained on source sequences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recbole_idp.models.clue.pretrain import find_or_pretrain
from recbole_idp.train.source_start import SourceSequencesTrainer

if TYPE_CHECKING:
    from recbole.config import Config

    from recbole_idp.models.clue.pretrain import PretrainedCLUE
    from recbole_idp.train.clock import StageClock

VARIANTS = {
    "scratch": "nothing pre-trained, all parameters trained (CLUE_zero)",
    "fine_tune": "pre-trained user encoder, all parameters trained (CLUE)",
}


class CLUETrainer(SourceSequencesTrainer):
    """Train CLUE on a task, all of its parameters."""

    variants = VARIANTS

    @classmethod
    def find_start(cls, config: Config, clock: StageClock | None = None) -> PretrainedCLUE:
        """Find, or pre-train, item vectors and user encoder."""
        return find_or_pretrain(config, clock)
