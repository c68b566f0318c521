"""Training of UniSRec on a target, from what was pre-trained on the source domains."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recbole_idp.content.text.encoding import TextEncoding
from recbole_idp.errors import UserError
from recbole_idp.models.base.text_vectors import input_texts
from recbole_idp.models.unisrec.pretrain import find_or_pretrain
from recbole_idp.train.pretrained_folder import TEXT_ENCODER
from recbole_idp.train.trainer import SequenceTrainer

if TYPE_CHECKING:
    from recbole.config import Config

    from recbole_idp.data.dataset import SequenceDataset
    from recbole_idp.models.unisrec.model import UniSRec

STARTS = ("scratch", "zero_shot", "fine_tune")


class UniSRecTrainer(SequenceTrainer):
    """Start UniSRec from the source domains, then train it as :class:`SequenceTrainer` does.

    ``transfer`` says how: ``fine_tune``, with frozen positions and blocks (``freeze_encoder``); ``zero_shot``, not
    trained; ``scratch``, nothing transferred. The pre-trained weights are those of the folder named by ``pretrained``,
    or of the one made before from the same sources, or are made now.
    """

    @classmethod
    def check_config(cls, config: Config) -> None:
        """Reject starts that UniSRec does not have, and keys as :class:`SequenceTrainer` does."""
        super().check_config(config)
        if config["transfer"] not in STARTS:
            raise UserError(f"{config['model']} takes transfer {', '.join(STARTS)}, but is {config['transfer']!r}")

    def __init__(self, config: Config, model: UniSRec) -> None:
        self.check_config(config)
        super().__init__(config, model)
        if config["transfer"] == "fine_tune" and config["freeze_encoder"]:
            model.freeze_blocks()

    def prepare_model(self, train_data: SequenceDataset, valid_data: SequenceDataset | None = None) -> None:
        """Load the pre-trained weights into the model, and the text vectors of all inputs by their encoder."""
        if self.config["transfer"] == "scratch":
            return
        encoding = TextEncoding.of(self.config)
        texts = input_texts(encoding, train_data)
        pretrained = find_or_pretrain(self.config)
        encoder = encoding.open_encoder(pretrained.folder / TEXT_ENCODER)
        vectors, _ = encoding.encode(encoder, texts)
        self.model.start_from(pretrained.state, vectors)

    def is_trained(self) -> bool:
        """Return whether the model is trained on the target: not with ``zero_shot``."""
        return self.config["transfer"] != "zero_shot"
