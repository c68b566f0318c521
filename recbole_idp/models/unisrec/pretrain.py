"""Pre-training of UniSRec on the source domains, and finding what was pre-trained before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from recbole_idp.content.text.encoding import TextEncoding
from recbole_idp.data.domains import source_locations
from recbole_idp.errors import UserError
from recbole_idp.models.unisrec.model import UniSRec, transferable
from recbole_idp.models.unisrec.pretraining_model import UniSRecPretraining
from recbole_idp.storage.schema import ObjectOf
from recbole_idp.storage.sealed import FolderFormat
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
    from collections.abc import Sequence

    from recbole.config import Config

    from recbole_idp.train.clock import StageClock


class PretrainedUniSRec(PretrainedWeights):
    """Pre-trained adaptor and sequence encoder, and the text encoder that the target's texts are read with."""

    folder_format = FolderFormat(
        name="pre-trained UniSRec",
        made_by="a run of UniSRec",
        identifier="recbole_idp UniSRec",
        description_file="unisrec.json",
        required_files=frozenset((WEIGHTS,)),
        schema={"fingerprint": str, "domains": [{"name": str}], "sizes": ObjectOf(), "text_encoder": ObjectOf()},
    )


class AdaptorPretraining(Pretraining[PretrainedUniSRec]):
    """Pre-training of UniSRec's adaptor and sequence encoder on the joined source domains (arXiv 2206.05941).

    Args:
        config: The target's configuration.
    """

    result = PretrainedUniSRec
    prefix = "unisrec"

    def __init__(self, config: Config) -> None:
        super().__init__(config, source_locations(config))
        self.encoding = TextEncoding.of(self.config)
        self.text_encoder = self.encoding.load_source_encoder(self.locations)
        if not self.text_encoder.reads_texts and self.config["item_drop_coefficient"] != 1:
            raise UserError(
                f"item_drop_coefficient {self.config['item_drop_coefficient']} encodes texts with fewer words, and "
                f"{self.text_encoder.name} are of whole ones: give --item_drop_coefficient=1"
            )

    def model_name(self) -> str:
        """Return UniSRec: what is pre-trained is shared with UniSRec_IDt."""
        return "UniSRec"

    def deciding(self) -> dict[str, Any]:
        """Return all that decides on the result."""
        return {**super().deciding(), "text_encoder": text_encoder_identity(self.text_encoder)}

    def train(self, clock: StageClock) -> FolderContent:
        """Train on the source domains; see :class:`Pretraining`."""
        config, text_encoder = self.config, self.text_encoder
        domains, texts, _ = read_sources(config, self.locations, self.encoding, clock)
        with clock.stage("encode", f"encoding {len(texts):,} source texts with {text_encoder.name}") as facts:
            if text_encoder.needs_fitting:
                text_encoder.fit(texts)
            vectors, reworded = self._text_vectors(texts, facts)
        settings = source_settings(config, exclude_history=False)
        loaders = domains.split(config["pretrain_valid_users"], config["seed"])

        def make_model() -> UniSRecPretraining:
            return UniSRecPretraining(settings, loaders[0].dataset, vectors, reworded)

        with clock.stage("pretrain", "training UniSRec's adaptor and sequence encoder on the source domains") as facts:
            trainer, valid = train_resumably(settings, make_model, loaders, self.unfinished)
            facts.update(targets_per_second=round(trainer.targets_per_second), valid=valid)
        return FolderContent(
            domains=domains.domains,
            valid=valid,
            weights={WEIGHTS: transferable(trainer.model)},
            facts={
                "sizes": chosen_values(config, *UniSRec.encoder_keys),
                "text_encoder": {"name": text_encoder.name, "width": vectors.shape[1]},
            },
            parts={TEXT_ENCODER: text_encoder},
        )

    def _text_vectors(self, texts: Sequence[str], facts: dict[str, Any]) -> tuple[np.ndarray, np.ndarray | None]:
        """Encode the texts, and the same without some words where second views drop words; shape [S, W] each."""
        config, text_encoder = self.config, self.text_encoder
        vectors, report = self.encoding.encode(text_encoder, texts)
        facts["encoded"] = report.encoded
        if config["item_drop_coefficient"] == 1:
            return vectors, None
        fewer_words = drop_words(texts, config["word_drop_ratio"], config["seed"])
        reworded, report = self.encoding.encode(text_encoder, fewer_words)
        facts["encoded"] += report.encoded
        return vectors, reworded

    def card(self, description: Mapping[str, Any]) -> str:
        """Return the model card."""
        names = ", ".join(domain["name"] for domain in description["domains"])
        return card_text(
            "A pre-trained UniSRec of recbole_idp",
            f"Adaptor and sequence encoder (arXiv 2206.05941), pre-trained on {names}.",
            {
                "Text encoder": description["text_encoder"]["name"],
                "Validation on held-out source users": metrics_text(description["valid"]),
                "Seed": description["seed"],
            },
            "--model=UniSRec --dataset=NAME",
        )


def find_or_pretrain(config: Config, clock: StageClock | None = None) -> PretrainedUniSRec:
    """Open the folder that a configuration means, and make it first where there is none.

    Args:
        config: With ``pretrained`` naming a folder, or else the sources and all hyper-parameters.
        clock: Where stages are timed.

    Returns:
        Adaptor and sequence encoder.

    Raises:
        UserError: The named folder or the sources cannot be used.
    """
    if config["pretrained"]:
        return open_given(PretrainedUniSRec, config["pretrained"], config["dataset"])
    return find_or_make(AdaptorPretraining(config), clock)


def drop_words(texts: Sequence[str], ratio: float, seed: int) -> list[str]:
    """Drop words at random, never all of them.

    Args:
        texts: The texts.
        ratio: Chance of a word to be dropped.
        seed: Decides on the words.

    Returns:
        One text for each.
    """
    draw = np.random.default_rng(seed)
    dropped = []
    for text in texts:
        words = text.split()
        kept = [word for word, chance in zip(words, draw.random(len(words)), strict=True) if chance >= ratio]
        dropped.append(" ".join(kept or words[:1]))
    return dropped
