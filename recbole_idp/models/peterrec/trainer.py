"""Tuning of PeterRec on a target, from what was pre-trained on source sequences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from recbole_idp.models.peterrec.pretrain import find_or_pretrain
from recbole_idp.nn.adapters.sockets import trained_share
from recbole_idp.train.source_sequences import sequence_locations
from recbole_idp.train.trainer import SequenceTrainer

if TYPE_CHECKING:
    from recbole.config import Config

    from recbole_idp.data.dataset import SequenceDataset
    from recbole_idp.models.peterrec.model import PeterRec
    from recbole_idp.train.clock import StageClock

VARIANTS = {
    "scratch": "nothing pre-trained, all parameters trained",
    "head": "pre-trained encoder, the candidates' table and [TCL] trained",
    "full": "pre-trained encoder, all parameters trained",
    "patches": "pre-trained encoder, patches, second norms, the candidates' table and [TCL] trained",
}


class PeterRecTrainer(SequenceTrainer):
    """Start PeterRec from source sequences, then train what the variant trains as :class:`SequenceTrainer` does.

    The configuration's ``transfer`` names the variant. The pre-trained weights are those of the folder named by
    ``pretrained``, or of the one made before from the same sources, or are made now.
    """

    variants = VARIANTS
    stage = "transfer"

    def __init__(self, config: Config, model: PeterRec) -> None:
        model.freeze()
        super().__init__(config, model)
        share = trained_share(model)
        self.logger.info(f"{config['transfer']} trains {100 * share:.3g} % of the parameters")

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

    def facts(self) -> dict[str, Any]:
        """Return the share of parameters that are trained."""
        return {"trained_share": trained_share(self.model)}
