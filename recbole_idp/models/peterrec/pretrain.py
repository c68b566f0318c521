"""Pre-training of PeterRec on source sequences, and finding what was pre-trained before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from recbole_idp.models.base.source_next_item import (
    CausalPretraining,
    SourceNextItem,
    find_or_make_causal,
    source_next_item_settings,
)
from recbole_idp.models.base.transferred import weights_of
from recbole_idp.nn.encoder.dilated import PostActivationBlock
from recbole_idp.storage.schema import ObjectOf
from recbole_idp.storage.sealed import FolderFormat
from recbole_idp.train.pretrained_folder import WEIGHTS, FolderContent, card_text, metrics_text
from recbole_idp.train.pretrained_items import ITEMS, PretrainedItems, items_text
from recbole_idp.train.source_sequences import load_sequences
from recbole_idp.train.source_training import train_resumably
from recbole_idp.train.table_trainer import SourceItemsTrainer

if TYPE_CHECKING:
    from recbole.config import Config

    from recbole_idp.train.clock import StageClock


class PretrainedPeterRec(PretrainedItems):
    """Pre-trained vectors of the source items, and the encoder without [TCL]."""

    folder_format = FolderFormat(
        name="pre-trained PeterRec",
        made_by="a run of PeterRec",
        identifier="recbole_idp PeterRec",
        description_file="peterrec.json",
        required_files=frozenset((WEIGHTS, ITEMS)),
        schema={"fingerprint": str, "domains": [{"name": str}], "sizes": ObjectOf()},
    )


class PeterRecPretraining(SourceNextItem):
    """The next item at every position of the source sequences (PeterRec, section 3.2)."""

    block = PostActivationBlock


class NextItemPretraining(CausalPretraining[PretrainedPeterRec]):
    """Pre-training of PeterRec's item vectors and encoder on source sequences.

    Args:
        config: The target's configuration.
    """

    result = PretrainedPeterRec
    prefix = "peterrec"

    def train(self, clock: StageClock) -> FolderContent:
        """Train on the source sequences; see :class:`Pretraining`."""
        config = self.config
        domains = load_sequences(config, self.locations, clock)
        settings = source_next_item_settings(config)
        loaders = domains.split(config["pretrain_valid_users"], config["seed"])

        def make_model() -> PeterRecPretraining:
            return PeterRecPretraining(settings, loaders[0].dataset)

        with clock.stage("pretrain", f"training {config['encoder']} on source sequences for PeterRec") as facts:
            trainer, valid = train_resumably(settings, make_model, loaders, self.unfinished, SourceItemsTrainer)
            facts.update(targets_per_second=round(trainer.targets_per_second), valid=valid)
        return FolderContent(
            domains=domains.domains,
            valid=valid,
            weights={WEIGHTS: weights_of(trainer.model, "item_embedding", "encoder")},
            facts={"sizes": self.sizes()},
            texts={ITEMS: items_text(domains)},
        )

    def card(self, description: Mapping[str, Any]) -> str:
        """Return the model card."""
        names = ", ".join(domain["name"] for domain in description["domains"])
        return card_text(
            "A pre-trained PeterRec of recbole_idp",
            f"Item vectors and user encoder (PeterRec, arXiv 2001.04253), pre-trained on the sequences of {names}.",
            {
                "Encoder": description["sizes"]["encoder"],
                "Validation on held-out source users": metrics_text(description["valid"]),
                "Seed": description["seed"],
            },
            "--model=PeterRec --dataset=NAME",
        )


def find_or_pretrain(config: Config, clock: StageClock | None = None) -> PretrainedPeterRec:
    """Open the folder that a configuration means, and make it first where there is none.

    Args:
        config: With ``pretrained`` naming a folder, or else the sources and all hyper-parameters.
        clock: Where stages are timed.

    Returns:
        Item vectors and encoder.

    Raises:
        UserError: The named folder or the sources cannot be used, or its sizes are others than the configuration's.
    """
    return find_or_make_causal(NextItemPretraining, config, clock)
