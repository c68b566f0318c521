"""Tuning of PeterRec on a target, from what was pre-trained on source sequences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recbole_idp.models.peterrec.pretrain import find_or_pretrain
from recbole_idp.nn.adapters.sockets import trained_share
from recbole_idp.train.source_start import SourceSequencesTrainer

if TYPE_CHECKING:
    from recbole.config import Config

    from recbole_idp.models.peterrec.model import PeterRec
    from recbole_idp.models.peterrec.pretrain import PretrainedPeterRec
    from recbole_idp.train.clock import StageClock

VARIANTS = {
    "scratch": "nothing pre-trained, all parameters trained",
    "head": "pre-trained encoder, the candidates' table and [TCL] trained",
    "full": "pre-trained encoder, all parameters trained",
    "patches": "pre-trained encoder, patches, second norms, the candidates' table and [TCL] trained",
}


class PeterRecTrainer(SourceSequencesTrainer):
    """Train PeterRec on a task: all of its parameters, or the patches alone, as ``transfer`` says."""

    variants = VARIANTS

    def __init__(self, config: Config, model: PeterRec) -> None:
        model.freeze()
        super().__init__(config, model)
        share = trained_share(model)
        self.logger.info(f"{config['transfer']} trains {100 * share:.3g} % of the parameters")

    @classmethod
    def find_start(cls, config: Config, clock: StageClock | None = None) -> PretrainedPeterRec:
        """Find, or pre-train, item vectors and encoder."""
        return find_or_pretrain(config, clock)

    def facts(self) -> dict[str, Any]:
        """Return the share of parameters that are trained."""
        return {"trained_share": trained_share(self.model)}
