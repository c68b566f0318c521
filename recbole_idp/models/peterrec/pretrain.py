"""Pre-training of PeterRec on source sequences, and finding what was pre-trained before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from recbole_idp.data.keys import DataSettings
from recbole_idp.models.base.source_next_item import (
    SourceNextItem,
    encoder_sizes,
    source_next_item_settings,
    without_other_encoder,
)
from recbole_idp.models.base.transferred import check_sizes, weights_of
from recbole_idp.nn.encoder.causal import CausalSettings
from recbole_idp.nn.encoder.dilated import PostActivationBlock
from recbole_idp.storage.schema import ObjectOf
from recbole_idp.storage.sealed import FolderFormat
from recbole_idp.train.pretrained import Pretraining, find_or_make
from recbole_idp.train.pretrained_folder import WEIGHTS, FolderContent, card_text, metrics_text
from recbole_idp.train.pretrained_items import ITEMS, PretrainedItems, items_text
from recbole_idp.train.source_sequences import is_own_source, load_sequences, sequence_locations
from recbole_idp.train.source_training import train_resumably

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


class NextItemPretraining(Pretraining[PretrainedPeterRec]):
    """Pre-training of PeterRec's item vectors and encoder on source sequences.

    Args:
        config: The target's configuration.
    """

    result = PretrainedPeterRec
    prefix = "peterrec"

    def __init__(self, config: Config) -> None:
        super().__init__(config, sequence_locations(config))

    def dataset_names(self) -> list[str]:
        """Return the names of the datasets for the folder's name."""
        return [location.name for location in self.locations]

    def values(self) -> dict[str, Any]:
        """Return the keys that decide on the result; those of the other encoder do not."""
        return without_other_encoder(super().values())

    def train(self, clock: StageClock) -> FolderContent:
        """Train on the source sequences; see :class:`Pretraining`."""
        config = self.config
        domains = load_sequences(config, self.locations, clock)
        settings = source_next_item_settings(config)
        loaders = domains.split(config["pretrain_valid_users"], config["seed"])

        def make_model() -> PeterRecPretraining:
            return PeterRecPretraining(settings, loaders[0].dataset)

        with clock.stage("pretrain", f"training {config['encoder']} on source sequences for PeterRec") as facts:
            trainer, valid = train_resumably(settings, make_model, loaders, self.unfinished)
            facts.update(targets_per_second=round(trainer.targets_per_second), valid=valid)
        return FolderContent(
            domains=domains.domains,
            valid=valid,
            weights={WEIGHTS: weights_of(trainer.model, "item_embedding", "encoder")},
            facts={"sizes": encoder_sizes(CausalSettings.of(config), config["MAX_ITEM_LIST_LENGTH"])},
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
    if not config["pretrained"]:
        return find_or_make(NextItemPretraining(config), clock)
    found = PretrainedPeterRec.open(config["pretrained"])
    if not is_own_source(DataSettings.of(config)):
        found.check_target(config["dataset"])
    sizes = encoder_sizes(CausalSettings.of(config), config["MAX_ITEM_LIST_LENGTH"])
    check_sizes(sizes, found.description["sizes"], str(found.folder))
    return found
