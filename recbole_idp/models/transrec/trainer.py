"""Training of TransRec on a target, from what was pre-trained on the source domains."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recbole_idp.errors import UserError
from recbole_idp.models.transrec.contents import Encoders
from recbole_idp.models.transrec.pretrain import find_or_pretrain
from recbole_idp.models.transrec.target import target_catalogue, target_settings
from recbole_idp.train.encoder_trainer import EncoderTrainer
from recbole_idp.train.from_sources import FromSources

if TYPE_CHECKING:
    from recbole.config import Config

    from recbole_idp.data.dataset import SequenceDataset
    from recbole_idp.models.transrec.contents import ContentSettings
    from recbole_idp.models.transrec.model import TransRec
    from recbole_idp.models.transrec.pretrain import PretrainedTransRec
    from recbole_idp.train.clock import StageClock


class TransRecTrainer(FromSources, EncoderTrainer):
    """Start TransRec as ``transfer`` says, then train it as :class:`EncoderTrainer` does.

    ``scratch``: nothing is taken over; ``zero_shot``: the pre-trained model, not trained; ``frozen``: the pre-trained
    item encoders stay, and the user encoder is trained; ``fine_tune``: all is trained, and of the content encoders what
    ``train_encoder`` names. The pre-trained weights are those of the folder named by ``pretrained``, or of the one made
    before from the same sources, or are made now.
    """

    model: TransRec

    def __init__(self, config: Config, model: TransRec) -> None:
        if config["transfer"] == "frozen":
            model.freeze_items()
        super().__init__(config, model)

    @classmethod
    def find_start(cls, config: Config, clock: StageClock | None = None) -> PretrainedTransRec:
        """Open what the model starts from, or make it; see :class:`FromSources`."""
        return find_or_pretrain(config, clock)

    def prepare_model(self, train_data: SequenceDataset, valid_data: SequenceDataset | None = None) -> None:
        """Read the target's items by the pre-trained content encoders, and load the pre-trained weights."""
        transfer = self.config["transfer"]
        if transfer == "scratch":
            return
        pretrained = self.find_start(self.config)
        encoders = self._encoders(pretrained, train_data)
        contents = self.model.read_items(self.config, train_data, encoders)
        self.model.contents = contents.to(self.device)
        self.model.start_from(pretrained.state)
        if transfer == "frozen":
            self.model.freeze_items()
        # The trained layers of the content encoders are other parameters now.
        self.optimizer = self._build_optimizer()

    def _encoders(self, pretrained: PretrainedTransRec, data: SequenceDataset) -> Encoders:
        """Return the encoders that read the target's items.

        They are the folder's, and for a modality that it lacks the one that the configuration names.

        Raises:
            UserError: They do not fit what is trained of them here, or a modality was not pre-trained at all.
        """
        settings = target_settings(self.config)
        modality = settings.modalities.modality
        if missing := set(self.model.heads) - set(pretrained.modalities()):
            self._begin_at_random(pretrained, missing)
        own, found = settings.load_encoders(modality), pretrained.open_encoders(settings.text.device)
        self._check_depth(pretrained, settings, own)
        if found.text is None:
            own.fit(target_catalogue(settings, data))
        return Encoders(
            None if modality == "image" else found.text or own.text,
            None if modality == "text" else found.image or own.image,
        )

    def _begin_at_random(self, pretrained: PretrainedTransRec, missing: set[str]) -> None:
        """Warn that a modality was not pre-trained, or raise UserError where it is not trained here either."""
        known, others = (" and ".join(sorted(names)) for names in (pretrained.modalities(), missing))
        transfer = self.config["transfer"]
        if transfer != "fine_tune":
            raise UserError(
                f"transfer is {transfer}, and {pretrained.folder} was pre-trained on {known} without {others}: "
                "pre-train on both, --source_modality=mixed, or give --transfer=fine_tune"
            )
        self.logger.warning(
            f"{pretrained.folder} was pre-trained on {known}: the item encoder of {others} begins at random"
        )

    def _check_depth(self, pretrained: PretrainedTransRec, settings: ContentSettings, own: Encoders) -> None:
        """Check that a checkpoint of this training, which holds trained layers alone, will find the others again.

        Raises:
            UserError: Layers that are not trained here differ from those of the encoder that the configuration names.
        """
        trained, tuned = settings.trained, pretrained.description["tuned"]
        if trained.train_encoder == "none":
            return
        here: dict[str, Any] = {"text": own.text, "image": own.image}
        for name, about in pretrained.description["encoders"].items():
            if here[name] is not None and here[name].fingerprint != about["base"]:
                raise UserError(
                    f"{pretrained.folder} was pre-trained with the {name} encoder {about['name']}, and train_encoder "
                    f"trains {here[name].name}: give --{name}_encoder={about['name']}, or --train_encoder=none"
                )
        enough = trained.train_encoder == "all" or tuned["train_encoder"] == "none"
        if not enough and (tuned["train_encoder"] == "all" or trained.trained_layers < tuned["trained_layers"]):
            raise UserError(
                f"{pretrained.folder} has content encoders that were trained ({tuned['train_encoder']}, "
                f"trained_layers {tuned['trained_layers']}), and fewer layers are trained here: give "
                f"--train_encoder={tuned['train_encoder']} --trained_layers={tuned['trained_layers']}, or "
                "--train_encoder=none"
            )
