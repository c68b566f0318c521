"""Pre-training of TransRec on the source domains, and finding what was pre-trained before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from recbole_idp.config.derive import derive
from recbole_idp.content.image.cache import distinct_pictures
from recbole_idp.content.image.encoder import open_image_encoder
from recbole_idp.content.text.encoder import open_text_encoder
from recbole_idp.content.trainable.keys import TrainedEncoderSettings
from recbole_idp.data.domains import load_domains, source_locations
from recbole_idp.models.transrec.contents import ContentSettings, Encoders, read_contents
from recbole_idp.models.transrec.model import SIZES, TransRec, transferable
from recbole_idp.models.transrec.target import source_catalogue
from recbole_idp.storage.files import fingerprint
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
from recbole_idp.train.resumable import kept_files
from recbole_idp.train.source_training import chosen_values, source_settings, text_encoder_identity, train_resumably

if TYPE_CHECKING:
    from recbole.config import Config

    from recbole_idp.data.dataset import SequenceDataset
    from recbole_idp.data.domains import Domains
    from recbole_idp.models.base.sequence_model import ModelData
    from recbole_idp.models.transrec.catalogue import Catalogue
    from recbole_idp.models.transrec.contents import ItemContents
    from recbole_idp.train.clock import StageClock
    from recbole_idp.train.trainer import SequenceTrainer

IMAGE_ENCODER = "image_encoder"
"""The folder of the image encoder for the target's pictures."""
_UNREAD = frozenset(("pretrain_negatives", "negative_smoothing"))
_OF_TRAINED = frozenset(TrainedEncoderSettings.model_fields) | {"end_to_end_epochs"}
_OF_TEXTS = frozenset(("text_encoder", "text_pooling", "source_text_fields", "text_length", "text_tokens"))
_OF_PICTURES = frozenset(("image_encoder", "image_pooling", "source_image_field", "image_control"))


class PretrainedTransRec(PretrainedWeights):
    """Pre-trained user encoder and item encoders, with the content encoders that the target's items are read with."""

    folder_format = FolderFormat(
        name="pre-trained TransRec",
        made_by="a run of TransRec",
        identifier="recbole_idp TransRec",
        description_file="transrec.json",
        required_files=frozenset((WEIGHTS,)),
        schema={
            "fingerprint": str,
            "domains": [{"name": str}],
            "sizes": ObjectOf(),
            "encoders": ObjectOf(),
            "tuned": {"train_encoder": {"none", "last_n", "all"}, "trained_layers": int},
        },
    )

    def modalities(self) -> list[str]:
        """Return the modalities that were pre-trained."""
        return sorted(self.description["encoders"])

    def open_encoders(self, device: str | torch.device) -> Encoders:
        """Open the content encoders; see :class:`Encoders`."""
        names = self.modalities()
        return Encoders(
            open_text_encoder(self.folder / TEXT_ENCODER, device=device) if "text" in names else None,
            open_image_encoder(self.folder / IMAGE_ENCODER, device) if "image" in names else None,
        )


class TransRecPretraining(TransRec):
    """TransRec on the joined source domains.

    Args:
        config: The configuration of a stage of pre-training.
        dataset: The joined domains.
        contents: The contents of their items.
    """

    def __init__(self, config: Config, dataset: ModelData, contents: ItemContents) -> None:
        self._given = [contents]
        super().__init__(config, dataset)  # type: ignore[arg-type]  # the given contents stand in for its files

    def read_items(self, config: Config, dataset: SequenceDataset, encoders: Encoders | None = None) -> ItemContents:
        """Return the given contents."""
        return self._given.pop()


@dataclass(frozen=True)
class _Source:
    """What is pre-trained on.

    Attributes:
        domains: The joined events.
        catalogue: The contents of their items.
        encoders: The frozen content encoders.
    """

    domains: Domains
    catalogue: Catalogue
    encoders: Encoders


class StagedPretraining(Pretraining[PretrainedTransRec]):
    """Pre-training on the joined source domains in two stages (arXiv 2206.06190).

    1 ``pretrain_epochs``: user encoder and heads, on what the frozen content encoders give.
    2 ``end_to_end_epochs``: the layers of the content encoders that ``train_encoder`` names as well.

    Args:
        config: The target's configuration.
    """

    result = PretrainedTransRec
    prefix = "transrec"

    def __init__(self, config: Config) -> None:
        super().__init__(config, source_locations(config))
        self.contents = ContentSettings.of(self.config)
        self.encoders = self.contents.load_encoders(self._modality)

    @property
    def _modality(self) -> Any:
        return self.contents.modalities.source_modality

    @property
    def _end_to_end(self) -> bool:
        """Whether there is a second stage."""
        return self.contents.trained.train_encoder != "none" and self.config["end_to_end_epochs"] > 0

    def values(self) -> dict[str, Any]:
        """Return the keys that decide on the result; those that this pre-training does not read are left out."""
        unread = set(_UNREAD)
        if not self._end_to_end:
            unread |= _OF_TRAINED
        if self._modality == "image":
            unread |= _OF_TEXTS | {"text_heads", "text_head_size", "text_pool_size"}
        if self._modality == "text":
            unread |= _OF_PICTURES
        if self._modality != "mixed":
            unread |= {"mixed_by", "modality_field"}
        elif self.config["mixed_by"] != "column":
            unread |= {"modality_field"}
        return {key: value for key, value in super().values().items() if key not in unread}

    def deciding(self) -> dict[str, Any]:
        """Return all that decides on the result, the content of the pictures included."""
        found = super().deciding()
        if self.encoders.text is not None:
            found["text_encoder"] = text_encoder_identity(self.encoders.text)
        if self.encoders.image is not None:
            found["image_encoder"] = self.encoders.image.fingerprint
            found["pictures"] = self._picture_hashes()
        return found

    def kept_files(self) -> tuple[Path, ...]:
        """Return the files of the training states of both stages."""
        return (*kept_files(self._unfinished(1)), *kept_files(self._unfinished(2)))

    def train(self, clock: StageClock) -> FolderContent:
        """Train on the source domains; see :class:`Pretraining`."""
        config = self.config
        with clock.stage("read", f"reading {', '.join(config['source_domains'])}") as facts:
            domains = load_domains(config)
            catalogue = source_catalogue(self.contents, domains, self.locations)
            facts["source_interactions"] = domains.sequences.n_events
            facts["source_items"] = len(domains.item_tokens) - 1
        source = _Source(domains, catalogue, self.encoders.fit(catalogue))
        with clock.stage("pretrain", "training TransRec's user encoder on the source domains") as facts:
            trainer, valid = self._stage(1, source, None, train_encoder="none", epochs=config["pretrain_epochs"])
            facts.update(targets_per_second=round(trainer.targets_per_second), valid=valid)
        tuned = {"train_encoder": "none", "trained_layers": config["trained_layers"]}
        encoders = _present(trainer.model.contents, source.encoders)
        if self._end_to_end:
            first = transferable(trainer.model)
            with clock.stage("end_to_end", "training TransRec end to end on the source domains") as facts:
                trainer, valid = self._stage(2, source, first, epochs=config["end_to_end_epochs"])
                facts.update(targets_per_second=round(trainer.targets_per_second), valid=valid)
            tuned["train_encoder"] = config["train_encoder"]
            encoders = _tuned(trainer.model.contents)
        base = source.encoders
        named: dict[str, tuple[str, Any, Any]] = {
            "text": (TEXT_ENCODER, encoders.text, base.text),
            "image": (IMAGE_ENCODER, encoders.image, base.image),
        }
        kept = {name: parts for name, parts in named.items() if parts[1] is not None}
        return FolderContent(
            domains=domains.domains,
            valid=valid,
            weights={WEIGHTS: transferable(trainer.model)},
            facts={
                "sizes": chosen_values(config, *SIZES),
                "encoders": {
                    name: {"name": encoder.name, "base": before.fingerprint}
                    for name, (_, encoder, before) in kept.items()
                },
                "tuned": tuned,
            },
            parts={folder: encoder for folder, encoder, _ in kept.values()},
        )

    def card(self, description: Mapping[str, Any]) -> str:
        """Return the model card."""
        names = ", ".join(domain["name"] for domain in description["domains"])
        encoders = ", ".join(f"{name} by {about['name']}" for name, about in description["encoders"].items())
        return card_text(
            "A pre-trained TransRec of recbole_idp",
            f"User encoder and item encoders (arXiv 2206.06190), pre-trained on {names}.",
            {
                "Items": encoders,
                "Validation on held-out source users": metrics_text(description["valid"]),
                "Seed": description["seed"],
            },
            "--model=TransRec_MoM --dataset=NAME",
        )

    def _stage(
        self, number: int, source: _Source, state: Mapping[str, torch.Tensor] | None, **values: Any
    ) -> tuple[SequenceTrainer, dict[str, float]]:
        """Train a stage, or resume it.

        Args:
            number: 1 or 2.
            source: What is trained on.
            state: Weights to begin with; None: random ones.
            values: Keys that differ from the configuration of pre-training.

        Returns:
            The trainer, and the validation metrics of the best epoch.
        """
        config = self.config
        settings = derive(source_settings(config), **values)
        loaders = source.domains.split(config["pretrain_valid_users"], config["seed"])
        contents = ContentSettings.of(settings)
        name = ", ".join(location.name for location in self.locations)

        def make_model() -> TransRecPretraining:
            with torch.random.fork_rng(devices=[]):
                read = read_contents(
                    source.catalogue, self._modality, source.encoders, contents, False, name, "source_image_field"
                )
            model = TransRecPretraining(settings, loaders[0].dataset, read)
            if state is not None:
                model.start_from(state)
            return model

        return train_resumably(settings, make_model, loaders, self._unfinished(number), EncoderTrainer)

    def _unfinished(self, number: int) -> Path:
        return self.unfinished.with_name(f"{self.unfinished.name}-stage-{number}")

    def _picture_hashes(self) -> str:
        """Return the hash of the contents of all picture files."""
        catalogue = source_catalogue(self.contents, load_domains(self.config), self.locations)
        _, hashes, places, _ = distinct_pictures(catalogue.pictures)
        return fingerprint([[found.hex() for found in hashes], places.tolist()])


def _present(contents: ItemContents, encoders: Encoders) -> Encoders:
    """Return the content encoders of those modalities that items have."""
    return Encoders(
        None if contents.text is None else encoders.text, None if contents.image is None else encoders.image
    )


def _tuned(contents: ItemContents) -> Encoders:
    """Return the content encoders as trained; the contents cannot be used afterwards."""
    text: Any = contents.text
    image: Any = contents.image
    return Encoders(None if text is None else text.tuned_encoder(), None if image is None else image.tuned_encoder())


def find_or_pretrain(config: Config, clock: StageClock | None = None) -> PretrainedTransRec:
    """Open the folder that a configuration means, and make it first where there is none.

    Args:
        config: With ``pretrained`` naming a folder, or else the sources and all hyper-parameters.
        clock: Where stages are timed.

    Returns:
        User encoder and item encoders.

    Raises:
        UserError: The named folder or the sources cannot be used.
    """
    if config["pretrained"]:
        return open_given(PretrainedTransRec, config["pretrained"], config["dataset"])
    return find_or_make(StagedPretraining(config), clock)
