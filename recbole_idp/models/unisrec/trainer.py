"""Training of UniSRec on a target, from what was pre-trained on the source domains."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recbole_idp.content.text.encoder import open_text_encoder
from recbole_idp.content.text.encoding import TextEncoding
from recbole_idp.errors import UserError
from recbole_idp.models.base.text_vectors import target_texts
from recbole_idp.models.unisrec.pretrain import find_or_pretrain
from recbole_idp.train.pretrained_folder import TEXT_ENCODER
from recbole_idp.train.trainer import SequenceTrainer

if TYPE_CHECKING:
    from collections.abc import Callable

    from recbole.data.dataloader import AbstractDataLoader

    from recbole_idp.data.dataset import SequenceDataset

STARTS = ("scratch", "zero_shot", "fine_tune")


class UniSRecTrainer(SequenceTrainer):
    """Start UniSRec from the source domains, then train it as :class:`SequenceTrainer` does.

    ``transfer`` says how: ``fine_tune``, with frozen positions and blocks (``freeze_encoder``); ``zero_shot``, not
    trained; ``scratch``, nothing transferred. The pre-trained weights are those of the folder named by ``pretrained``,
    or of the one made before from the same sources, or are made now.
    """

    def fit(
        self,
        train_data: AbstractDataLoader,
        valid_data: AbstractDataLoader | None = None,
        verbose: bool = True,
        saved: bool = True,
        show_progress: bool = False,
        callback_fn: Callable[[int, float], object] | None = None,
    ) -> tuple[float, dict[str, float]]:
        """Initialise and train the model; arguments and result as in RecBole."""
        start = self.config["transfer"]
        if start not in STARTS:
            raise UserError(f"{self.config['model']} takes transfer {', '.join(STARTS)}, but is {start!r}")
        if start != "scratch" and self.start_epoch == 0:
            with self.preparing():
                self._take_over(train_data.dataset)
        if start == "fine_tune" and self.config["freeze_encoder"]:
            self.model.freeze_blocks()
        if start == "zero_shot":
            self.epochs = 0
        best = super().fit(train_data, valid_data, verbose, saved, show_progress, callback_fn)
        if start == "zero_shot" and valid_data:
            best = self._valid_epoch(valid_data, show_progress)
        return best

    def _take_over(self, dataset: SequenceDataset) -> None:
        """Load the pre-trained weights into the model, and the target's text vectors by their encoder."""
        encoding = TextEncoding.of(self.config)
        texts = target_texts(encoding, dataset)
        pretrained = find_or_pretrain(self.config)
        encoder = open_text_encoder(pretrained.folder / TEXT_ENCODER, device=encoding.device)
        vectors, _ = encoding.encode(encoder, texts)
        self.model.start_from(pretrained.state, vectors)
