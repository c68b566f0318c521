"""Training on a target that starts from source sequences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from recbole_idp.train.from_sources import StartFinder
from recbole_idp.train.source_sequences import sequence_locations
from recbole_idp.train.table_trainer import TableTrainer

if TYPE_CHECKING:
    from recbole.config import Config

    from recbole_idp.data.dataset import SequenceDataset
    from recbole_idp.train.clock import StageClock


class SourceSequencesTrainer(StartFinder, TableTrainer):
    """Start a model from source sequences, then train what the variant trains as :class:`TableTrainer` does.

    The configuration's ``transfer`` names the variant; ``scratch`` starts at random. The pre-trained weights are those
    of the folder named by ``pretrained``, or of the one made before from the same sources, or are made now.
    """

    stage = "transfer"

    @classmethod
    def check_sources(cls, config: Config, variants: Sequence[str]) -> None:
        """Check the source domains, unless nothing is pre-trained on them."""
        if set(variants) != {"scratch"} and not config["pretrained"]:
            sequence_locations(config)

    @classmethod
    def prepare_start(cls, config: Config, dataset: SequenceDataset, variants: Sequence[str], clock: StageClock) -> Any:
        """Make, or find, what the variants start from; each opens it again."""
        if set(variants) != {"scratch"}:
            cls.find_start(config, clock)

    def prepare_model(self, train_data: SequenceDataset, valid_data: SequenceDataset | None = None) -> None:
        """Load the pre-trained weights into the model."""
        if self.config["transfer"] == "scratch":
            return
        pretrained = self.find_start(self.config)
        self.model.start_from(pretrained.state, pretrained.history_rows(train_data.history_items))
