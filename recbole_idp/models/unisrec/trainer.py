"""Training of UniSRec on a target, from what was pre-trained on the source domains."""

from recbole_idp.content.text.cache import cache_folder, encode_cached
from recbole_idp.content.text.encoder import open_text_encoder
from recbole_idp.errors import UserError
from recbole_idp.models.base.text_vectors import target_texts
from recbole_idp.models.unisrec.pretrain import find_or_pretrain
from recbole_idp.train.pretrained_folder import TEXT_ENCODER
from recbole_idp.train.trainer import SequenceTrainer

STARTS = ("scratch", "zero_shot", "fine_tune")


class UniSRecTrainer(SequenceTrainer):
    """Starts UniSRec from the source domains, then trains it as :class:`SequenceTrainer` does.

    ``transfer`` says how: ``fine_tune``, positions and blocks being frozen (``freeze_encoder``); ``zero_shot``, not
    trained; ``scratch``, nothing taken over. What is pre-trained is the folder named by ``pretrained``, or the one made
    before from the same sources, or is made now.
    """

    def fit(self, train_data, valid_data=None, verbose=True, saved=True, show_progress=False, callback_fn=None):
        """Initialises and trains the model; arguments and result as in RecBole."""
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

    def _take_over(self, dataset):
        """Gives the model the pre-trained weights and the target's texts as their encoder reads them."""
        texts = target_texts(self.config, dataset)
        pretrained = find_or_pretrain(self.config)
        encoder = open_text_encoder(pretrained.folder / TEXT_ENCODER, device=self.config["device"])
        vectors, _ = encode_cached(encoder, texts, cache_folder(self.config), self.config["show_progress"])
        self.model.start_from(pretrained.state, vectors)
