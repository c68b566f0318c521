"""The first task of Conure, on source sequences, and finding the folder that a later task extends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from recbole_idp.data.keys import DataSettings
from recbole_idp.models.base.source_next_item import (
    encoder_sizes,
    source_next_item_settings,
    without_other_encoder,
)
from recbole_idp.models.base.transferred import check_sizes, weights_of
from recbole_idp.models.conure.folder import ConureFolder, Task, conure_card, conure_content
from recbole_idp.models.conure.model import ConurePretraining, copied
from recbole_idp.models.conure.phases import TwoPhaseTrainer
from recbole_idp.nn.encoder.causal import CausalSettings
from recbole_idp.train.pretrained import Pretraining, find_or_make
from recbole_idp.train.pretrained_items import items_text
from recbole_idp.train.source_sequences import is_own_source, load_sequences, sequence_locations
from recbole_idp.train.source_training import train_resumably

if TYPE_CHECKING:
    from recbole.config import Config

    from recbole_idp.train.clock import StageClock
    from recbole_idp.train.pretrained_folder import FolderContent


class FirstTask(Pretraining[ConureFolder]):
    """Conure's first task: train, prune, retrain on source sequences.

    Args:
        config: The target's configuration.
    """

    result = ConureFolder
    prefix = "conure"

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

        def make_model() -> ConurePretraining:
            return ConurePretraining(settings, loaders[0].dataset)

        with clock.stage("pretrain", "training, pruning and retraining Conure on source sequences") as facts:
            trainer, valid = train_resumably(settings, make_model, loaders, self.unfinished, TwoPhaseTrainer)
            facts.update(targets_per_second=round(trainer.targets_per_second), valid=valid)
        model = trainer.model
        about = {
            "name": f"{'+'.join(self.dataset_names())}:source",
            "pruned": config["pruned"],
            "kept": model.kept,
            "valid": valid,
        }
        softmax, bias = (value.detach().cpu().clone() for value in (model.softmax.weight, model.bias))
        first = Task(about, softmax, torch.zeros(softmax.shape[1]), bias, domains.item_tokens[1:])
        state = copied(weights_of(model, "item_embedding", "encoder"))
        return conure_content(
            state,
            items_text(domains),
            [first],
            domains.domains,
            {"sizes": encoder_sizes(CausalSettings.of(config), config["MAX_ITEM_LIST_LENGTH"])},
        )

    def card(self, description: Mapping[str, Any]) -> str:
        """Return the model card."""
        return conure_card(description)


def find_or_learn_first(config: Config, clock: StageClock | None = None) -> ConureFolder:
    """Open the folder that a task extends, and learn the first task where there is none.

    Args:
        config: With ``pretrained`` naming a folder, or else the sources and all hyper-parameters.
        clock: Where stages are timed.

    Returns:
        The network, and the tasks that it has learned.

    Raises:
        UserError: The named folder or the sources cannot be used, or its sizes are others than the configuration's.
    """
    if not config["pretrained"]:
        return find_or_make(FirstTask(config), clock)
    found = ConureFolder.open(config["pretrained"])
    if not is_own_source(DataSettings.of(config)):
        found.check_target(config["dataset"])
    sizes = encoder_sizes(CausalSettings.of(config), config["MAX_ITEM_LIST_LENGTH"])
    check_sizes(sizes, found.description["sizes"], str(found.folder))
    return found
