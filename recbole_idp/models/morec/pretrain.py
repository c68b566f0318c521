"""Pre-training of MoRec and of models built on it on the source domains, and finding what was pre-trained before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from recbole_idp.content.text.encoding import TextEncoding
from recbole_idp.content.trainable.keys import TrainedEncoderSettings
from recbole_idp.data.domains import source_locations
from recbole_idp.errors import UserError
from recbole_idp.models.base.transferred import weights_of
from recbole_idp.models.morec.contents import MEAN, ItemContents
from recbole_idp.storage.schema import ObjectOf
from recbole_idp.storage.sealed import FolderFormat
from recbole_idp.train.encoder_trainer import EncoderTrainer
from recbole_idp.train.pretrained import Pretraining, find_or_make, open_given
from recbole_idp.train.pretrained_folder import (
    TEXT_ENCODER,
    WEIGHTS,
    FolderContent,
    PretrainedWeights,
    card_text,
    metrics_text,
)
from recbole_idp.train.source_training import (
    chosen_values,
    read_sources,
    source_settings,
    text_encoder_identity,
    train_resumably,
)

if TYPE_CHECKING:
    from recbole.config import Config

    from recbole_idp.content.text.interface import TextEncoder
    from recbole_idp.models.morec.model import MoRec
    from recbole_idp.train.clock import StageClock


class PretrainedMoRec(PretrainedWeights):
    """Pre-trained dense layers, sequence encoder and mean, and the content encoder, as trained where it was."""

    folder_format = FolderFormat(
        name="pre-trained MoRec",
        made_by="a run of MoRec",
        identifier="recbole_idp MoRec",
        description_file="morec.json",
        required_files=frozenset((WEIGHTS,)),
        schema={
            "fingerprint": str,
            "domains": [{"name": str}],
            "sizes": ObjectOf(),
            "text_encoder": ObjectOf(),
        },
    )


class ContentPretraining(Pretraining[PretrainedMoRec]):
    """Pre-training of MoRec, or of a model that extends it, on the joined source domains.

    Args:
        config: The target's configuration.
        model: The class that is trained.
    """

    result = PretrainedMoRec
    prefix = "morec"

    def __init__(self, config: Config, model: type[MoRec]) -> None:
        super().__init__(config, source_locations(config))
        self.model = model
        self.encoding = TextEncoding.of(self.config)
        self.text_encoder = self.encoding.load_encoder()

    def model_name(self) -> str:
        """Return the model that is trained; those that start from it share the folder."""
        return self.model.__name__

    def values(self) -> dict[str, Any]:
        """Return the keys that decide on the result; whether the history is left out is the model's own."""
        return {key: value for key, value in super().values().items() if key != "exclude_history"}

    def deciding(self) -> dict[str, Any]:
        """Return all that decides on the result."""
        return {**super().deciding(), "text_encoder": text_encoder_identity(self.text_encoder)}

    def train(self, clock: StageClock) -> FolderContent:
        """Train on the source domains; see :class:`Pretraining`."""
        config, text_encoder = self.config, self.text_encoder
        domains, texts, _ = read_sources(config, self.locations, self.encoding, clock)
        settings = content_settings(config, self.model)
        loaders = domains.split(config["pretrain_valid_users"], config["seed"])
        with clock.stage("encode", f"encoding {len(texts):,} source texts with {text_encoder.name}") as facts:
            _, report = self.encoding.encode(text_encoder.fit(texts), texts)
            facts["encoded"] = report.encoded
        contents = ItemContents(texts, text_encoder)

        def make_model() -> MoRec:
            return self.model(settings, loaders[0].dataset, contents)

        trained = TrainedEncoderSettings.of(config).train_encoder
        parts = "item and sequence encoder" if trained == "none" else "content, item and sequence encoder"
        with clock.stage("pretrain", f"training {self.model_name()}'s {parts} on the source domains") as facts:
            trainer, valid = train_resumably(settings, make_model, loaders, self.unfinished, EncoderTrainer)
            facts.update(targets_per_second=round(trainer.targets_per_second), valid=valid)
        model = trainer.model
        return FolderContent(
            domains=domains.domains,
            valid=valid,
            weights={WEIGHTS: {**weights_of(model, "encoder", "item_encoder"), MEAN: model.text_mean}},
            facts={
                "sizes": chosen_values(config, *self.model.encoder_keys),
                "text_encoder": {"name": text_encoder.name, "width": text_encoder.width, "trained": trained},
            },
            parts={TEXT_ENCODER: tuned_encoder(model, text_encoder)},
        )

    def card(self, description: Mapping[str, Any]) -> str:
        """Return the model card."""
        names = ", ".join(domain["name"] for domain in description["domains"])
        name, about = self.model_name(), description["text_encoder"]
        return card_text(
            f"A pre-trained {name} of recbole_idp",
            f"Dense layers, sequence encoder and content encoder of {name} (arXiv 2303.13835), pre-trained on {names}.",
            {
                "Text encoder": f"{about['name']}, trained: {about['trained']}",
                "Validation on held-out source users": metrics_text(description["valid"]),
                "Seed": description["seed"],
            },
            f"--model={name} --dataset=NAME --transfer=fine_tune",
        )


def content_settings(config: Config, model: type[MoRec]) -> Config:
    """Return the configuration of this pre-training, from the target's.

    Args:
        config: The configuration.
        model: The class that is trained.

    Returns:
        See :func:`source_settings`. The softmax compares each target with ``pretrain_negatives``, other losses with
        one drawn item, as the paper does.
    """
    softmax = config["loss_type"] == "CE"
    return source_settings(
        config,
        transfer="scratch",
        pretrained=None,
        train_negatives=config["pretrain_negatives"] if softmax else 1,
        exclude_history=not model.own_negatives,
    )


def tuned_encoder(model: MoRec, frozen: TextEncoder) -> TextEncoder:
    """Return the text encoder of a trained model; the model cannot be used afterwards.

    Args:
        model: The model.
        frozen: The encoder that it started from.

    Returns:
        The encoder as trained; as it was where it stayed frozen.
    """
    return frozen if model.content is None else model.content.tuned_encoder()


def find_or_pretrain(config: Config, model: type[MoRec], clock: StageClock | None = None) -> PretrainedMoRec:
    """Open the folder that a configuration means, and make it first where there is none.

    Args:
        config: With ``pretrained`` naming a folder, or else the sources and all hyper-parameters.
        model: The class that is trained.
        clock: Where stages are timed.

    Returns:
        Weights and text encoder.

    Raises:
        UserError: The named folder or the sources cannot be used.
    """
    if config["id_fusion"] != "none":
        raise UserError(
            f"id_fusion is {config['id_fusion']}, and IDs do not transfer from source domains: give --id_fusion=none, "
            "or --transfer=scratch"
        )
    if config["pretrained"]:
        return open_given(PretrainedMoRec, config["pretrained"], config["dataset"])
    return find_or_make(ContentPretraining(config, model), clock)
