"""Pre-training of MoRec and of models built on it on the source domains, and finding what was pre-trained before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from recbole_idp.content.trainable.keys import TrainedEncoderSettings
from recbole_idp.data.domains import source_locations
from recbole_idp.errors import UserError
from recbole_idp.models.base.transferred import weights_of
from recbole_idp.models.morec.kinds import MEAN, content_kind
from recbole_idp.storage.schema import ObjectOf
from recbole_idp.storage.sealed import FolderFormat
from recbole_idp.train.encoder_trainer import EncoderTrainer
from recbole_idp.train.pretrained import Pretraining, find_or_make, open_given
from recbole_idp.train.pretrained_folder import (
    WEIGHTS,
    FolderContent,
    PretrainedWeights,
    card_text,
    metrics_text,
)
from recbole_idp.train.source_training import (
    chosen_values,
    source_settings,
    train_resumably,
)

if TYPE_CHECKING:
    from recbole.config import Config

    from recbole_idp.content.trainable.interface import SavedEncoder
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
            "encoder": ObjectOf(),
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
        self.contents = content_kind(self.config)

    def model_name(self) -> str:
        """Return the model that is trained; those that start from it share the folder."""
        return self.model.__name__

    def values(self) -> dict[str, Any]:
        """Return the keys that decide on the result; whether the history is left out is the model's own."""
        return {key: value for key, value in super().values().items() if key != "exclude_history"}

    def deciding(self) -> dict[str, Any]:
        """Return all that decides on the result."""
        return {**super().deciding(), **self.contents.deciding(self.locations)}

    def train(self, clock: StageClock) -> FolderContent:
        """Train on the source domains; see :class:`Pretraining`."""
        config = self.config
        domains, contents = self.contents.of_sources(config, self.locations, clock)
        encoder = contents.encoder
        settings = content_settings(config, self.model)
        loaders = domains.split(config["pretrain_valid_users"], config["seed"])
        with clock.stage("encode", f"encoding the source {self.contents.plural} with {encoder.name}") as facts:
            facts["encoded"] = contents.vectors()[1]

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
                "encoder": {"name": encoder.name, "width": encoder.width, "trained": trained},
            },
            parts={self.contents.part: tuned_encoder(model, encoder)},
        )

    def card(self, description: Mapping[str, Any]) -> str:
        """Return the model card."""
        names = ", ".join(domain["name"] for domain in description["domains"])
        name, about = self.model_name(), description["encoder"]
        return card_text(
            f"A pre-trained {name} of recbole_idp",
            f"Dense layers, sequence encoder and content encoder of {name} ({self.model.paper}), pre-trained on "
            f"{names}.",
            {
                "Content encoder": f"{about['name']}, trained: {about['trained']}",
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
        See :func:`source_settings`. Losses whose negatives a batch shares compare each target with
        ``pretrain_negatives`` of them, others with one drawn item, as the paper does.
    """
    shared = config["loss_type"] in ("CE", "gBCE")
    return source_settings(
        config,
        transfer="scratch",
        pretrained=None,
        train_negatives=config["pretrain_negatives"] if shared else 1,
        exclude_history=not model.own_negatives,
    )


def tuned_encoder(model: MoRec, frozen: SavedEncoder) -> SavedEncoder:
    """Return the content encoder of a trained model.

    Args:
        model: The model.
        frozen: The encoder that it started from.

    Returns:
        The encoder as trained; as it was where it stayed frozen.
    """
    return frozen if model.content is None else model.content.snapshot()


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
