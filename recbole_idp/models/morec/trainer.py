"""Training of MoRec on a target, from random weights or from what was pre-trained on the source domains."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recbole.utils import get_model

from recbole_idp.train.encoder_trainer import EncoderTrainer
from recbole_idp.train.from_sources import FromSources

if TYPE_CHECKING:
    from recbole.config import Config

    from recbole_idp.data.dataset import SequenceDataset
    from recbole_idp.models.morec.model import MoRec
    from recbole_idp.models.morec.pretrain import PretrainedMoRec
    from recbole_idp.train.clock import StageClock


class MoRecTrainer(FromSources, EncoderTrainer):
    """Start MoRec as ``transfer`` says, then train it as :class:`EncoderTrainer` does.

    ``scratch``: nothing is taken over; ``zero_shot``: the pre-trained model, not trained; ``frozen``: its content
    encoder stays as pre-trained; ``fine_tune``: what ``train_encoder`` names is trained on. The pre-trained weights are
    those of the folder named by ``pretrained``, or of the one made before from the same sources, or are made now.
    """

    model: MoRec

    @classmethod
    def find_start(cls, config: Config, clock: StageClock | None = None) -> PretrainedMoRec:
        """Open what the model starts from, or make it; see :class:`FromSources`."""
        return get_model(config["model"]).find_pretrained(config, clock)

    def prepare_model(self, train_data: SequenceDataset, valid_data: SequenceDataset | None = None) -> None:
        """Load the pre-trained weights into the model; the content encoder is there already."""
        if self.config["transfer"] != "scratch":
            self.model.start_from(self.find_start(self.config).state)
