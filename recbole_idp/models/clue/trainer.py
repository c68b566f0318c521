"""Training of CLUE on a target, from what was pre-trained on source sequences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from recbole_idp.models.clue.pretrain import find_or_pretrain
from recbole_idp.train.source_sequences import sequence_locations
from recbole_idp.train.trainer import SequenceTrainer

if TYPE_CHECKING:
    from recbole.config import Config

    from recbole_idp.data.dataset import SequenceDataset
    from recbole_idp.train.clock import StageClock

VARIANTS = {
    "scratch": "nothing pre-trained, all parameters trained (CLUE_zero)",
    "fine_tune": "pre-trained user encoder, all parameters trained (CLUE)",
}


class CLUETrainer(SequenceTrainer):
    """Start CLUE from source sequences, then train all of its parameters as :class:`SequenceTrainer` does.

    The configuration's ``transfer`` names the variant. The pre-trained weights are those of the folder named by
    ``pretrained``, or of the one made before from the same sources, or are made now.
    """

    variants = VARIANTS
    stage = "transfer"

    @classmethod
    def check_sources(cls, config: Config, variants: Sequence[str]) -> None:
        """Check the source domains, unless nothing is pre-trained on them."""
        if set(variants) != {"scratch"} and not config["pretrained"]:
            sequence_locations(config)

    @classmethod
    def prepare_start(
        cls, config: Config, dataset: SequenceDataset, variants: Sequence[str], clock: StageClock
    ) -> None:
        """Make, or find, what the variants start from; each opens it again."""
        if set(variants) != {"scratch"}:
            find_or_pretrain(config, clock)

    def prepare_model(self, train_data: SequenceDataset, valid_data: SequenceDataset | None = None) -> None:
        """Load the pre-trained weights into the model."""
        if self.config["transfer"] == "scratch":
            return
        pretrained = find_or_pretrain(self.config)
        self.model.start_from(pretrained.state, pretrained.history_rows(train_data.history_items))
