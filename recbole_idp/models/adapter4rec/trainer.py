"""Tuning of Adapter4Rec on a target, from a MoRec that was pre-trained on the source domains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from recbole_idp.data.domains import source_locations
from recbole_idp.models.adapter4rec.model import Adapter4Rec
from recbole_idp.models.morec.trainer import MoRecTrainer
from recbole_idp.nn.adapters.sockets import trained_share
from recbole_idp.train.memory import PeakMemory

if TYPE_CHECKING:
    from recbole.config import Config

    from recbole_idp.data.dataset import SequenceDataset
    from recbole_idp.train.clock import StageClock

VARIANTS = {
    "scratch": "nothing pre-trained, all parameters trained",
    "zero_shot": "the pre-trained model, not trained",
    "frozen": "pre-trained, the content encoder stays as it is, all else is trained",
    "fine_tune": "pre-trained, all parameters trained",
    "adapters": "pre-trained, adapters trained",
}


class Adapter4RecTrainer(MoRecTrainer):
    """Start from a pre-trained MoRec, then train what the variant trains as :class:`MoRecTrainer` does.

    The configuration's ``transfer`` names the variant. The result says of each which share of the parameters it trains,
    and how much memory a training step takes.
    """

    model: Adapter4Rec
    variants = VARIANTS
    stage = "transfer"

    def __init__(self, config: Config, model: Adapter4Rec) -> None:
        model.freeze()
        super().__init__(config, model)
        self._memory = PeakMemory(self.device)
        share = trained_share(model)
        self.logger.info(f"{config['transfer']} trains {100 * share:.3g} % of the parameters")

    @classmethod
    def check_sources(cls, config: Config, variants: Sequence[str]) -> None:
        """Check the source domains, unless nothing is pre-trained on them."""
        if set(variants) != {"scratch"} and not config["pretrained"]:
            source_locations(config)

    @classmethod
    def prepare_start(
        cls, config: Config, dataset: SequenceDataset, variants: Sequence[str], clock: StageClock
    ) -> None:
        """Make, or find, what the variants start from; each opens it again."""
        if set(variants) != {"scratch"}:
            Adapter4Rec.find_pretrained(config, clock)

    def _train_epoch(self, *args: Any, **kwargs: Any) -> float:
        """Train one epoch, and measure its memory."""
        with self._memory.measured():
            return super()._train_epoch(*args, **kwargs)

    def facts(self) -> dict[str, Any]:
        """Return the share and number of trained parameters, and the memory of training in MiB where it is known."""
        trained = sum(parameter.numel() for parameter in self.model.parameters() if parameter.requires_grad)
        return {
            "trained_share": trained_share(self.model),
            "trained_parameters": trained,
            "training_memory_mb": self._memory.peak_mb,
        }
