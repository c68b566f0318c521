"""Pre-training of Recformer on the source domains, and finding what was pre-trained before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recbole_idp.content.text.encoding import TextEncoding
from recbole_idp.data.domains import load_domains, source_locations
from recbole_idp.models.recformer.catalogue import source_attributes
from recbole_idp.models.recformer.model import SIZES, transferable
from recbole_idp.models.recformer.pretraining_model import RecformerPretraining
from recbole_idp.models.recformer.schedule import ScheduledTrainer
from recbole_idp.models.recformer.tokenizer import Tokenizer, read_tokenizer, tokenizer_for
from recbole_idp.storage.schema import ObjectOf
from recbole_idp.storage.sealed import FolderFormat
from recbole_idp.train.pretrained import Pretraining, find_or_make, open_given
from recbole_idp.train.pretrained_folder import WEIGHTS, FolderContent, PretrainedWeights, card_text, metrics_text
from recbole_idp.train.source_training import chosen_values, source_settings, text_encoder_identity, train_resumably

if TYPE_CHECKING:
    from recbole.config import Config

    from recbole_idp.train.clock import StageClock

TOKENIZER = "tokenizer.json"
_CLIPPING = {"max_norm": 1.0}


@dataclass(frozen=True)
class PretrainedRecformer(PretrainedWeights):
    """Pre-trained encoder of tokens, and what makes them.

    Attributes:
        tokenizer: What makes tokens of attributes.
    """

    tokenizer: Tokenizer

    folder_format = FolderFormat(
        name="pre-trained Recformer",
        made_by="a run of Recformer",
        identifier="recbole_idp Recformer",
        description_file="recformer.json",
        required_files=frozenset((WEIGHTS, TOKENIZER)),
        schema={"fingerprint": str, "domains": [{"name": str}], "sizes": ObjectOf(), "text_encoder": ObjectOf()},
    )

    @classmethod
    def read_parts(cls, folder: Path, description: Mapping[str, Any]) -> dict[str, Any]:
        """Read weights and tokenizer."""
        return {**super().read_parts(folder, description), "tokenizer": read_tokenizer(folder / TOKENIZER)}


class TextPretraining(Pretraining[PretrainedRecformer]):
    """Pre-training of Recformer on the joined source domains (arXiv 2305.13731).

    Args:
        config: The target's configuration.
    """

    result = PretrainedRecformer
    prefix = "recformer"

    def __init__(self, config: Config) -> None:
        super().__init__(config, source_locations(config))
        self.encoding = TextEncoding.of(self.config)
        self.text_encoder = self.encoding.load_encoder()

    def deciding(self) -> dict[str, Any]:
        """Return all that decides on the result."""
        return {**super().deciding(), "text_encoder": text_encoder_identity(self.text_encoder)}

    def train(self, clock: StageClock) -> FolderContent:
        """Train on the source domains; see :class:`Pretraining`."""
        config, tokenizer = self.config, tokenizer_for(self.text_encoder)
        with clock.stage("read", f"reading {', '.join(config['source_domains'])}") as facts:
            domains = load_domains(config)
            attributes = source_attributes(self.encoding, domains, self.locations)
            facts["source_interactions"] = domains.sequences.n_events
            facts["source_items"] = len(attributes)
        clipping = config["clip_grad_norm"] or _CLIPPING
        settings = source_settings(config, exclude_history=False, train_negatives=0, clip_grad_norm=clipping)
        loaders = domains.split(config["pretrain_valid_users"], config["seed"])

        def make_model() -> RecformerPretraining:
            return RecformerPretraining(settings, loaders[0].dataset, self.text_encoder, tokenizer, attributes)

        with clock.stage("pretrain", "training Recformer on the texts of the source domains") as facts:
            trainer, valid = train_resumably(settings, make_model, loaders, self.unfinished, ScheduledTrainer)
            facts.update(targets_per_second=round(trainer.targets_per_second), valid=valid)
        return FolderContent(
            domains=domains.domains,
            valid=valid,
            weights={WEIGHTS: transferable(trainer.model)},
            facts={
                "sizes": chosen_values(config, *SIZES, "attention_window"),
                "text_encoder": {"name": self.text_encoder.name},
            },
            texts={TOKENIZER: tokenizer.text()},
        )

    def card(self, description: Mapping[str, Any]) -> str:
        """Return the model card."""
        names = ", ".join(domain["name"] for domain in description["domains"])
        return card_text(
            "A pre-trained Recformer of recbole_idp",
            f"Encoder of items and histories as text (arXiv 2305.13731), pre-trained on {names}.",
            {
                "Tokens": description["text_encoder"]["name"],
                "Validation on held-out source users": metrics_text(description["valid"]),
                "Seed": description["seed"],
            },
            "--model=Recformer --dataset=NAME",
        )


def find_or_pretrain(config: Config, clock: StageClock | None = None) -> PretrainedRecformer:
    """Open the folder that a configuration means, and make it first where there is none.

    Args:
        config: With ``pretrained`` naming a folder, or else the sources and all hyper-parameters.
        clock: Where stages are timed.

    Returns:
        Encoder and tokenizer.

    Raises:
        UserError: The named folder or the sources cannot be used.
    """
    if config["pretrained"]:
        return open_given(PretrainedRecformer, config["pretrained"], config["dataset"])
    return find_or_make(TextPretraining(config), clock)
