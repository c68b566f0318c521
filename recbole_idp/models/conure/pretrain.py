"""The first task of Conure, on source sequences, and finding the folder that a later task extends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from recbole_idp.models.base.source_next_item import (
    CausalPretraining,
    find_or_make_causal,
    source_next_item_settings,
)
from recbole_idp.models.base.transferred import weights_of
from recbole_idp.models.conure.folder import ConureFolder, Task, conure_card, conure_content
from recbole_idp.models.conure.model import ConurePretraining, copied
from recbole_idp.models.conure.phases import TwoPhaseTrainer
from recbole_idp.train.pretrained_items import items_text
from recbole_idp.train.source_sequences import load_sequences
from recbole_idp.train.source_training import train_resumably

if TYPE_CHECKING:
    from recbole.config import Config

    from recbole_idp.train.clock import StageClock
    from recbole_idp.train.pretrained_folder import FolderContent


class FirstTask(CausalPretraining[ConureFolder]):
    """Conure's first task: train, prune, retrain on source sequences.

    Args:
        config: The target's configuration.
    """

    result = ConureFolder
    prefix = "conure"

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
            {"sizes": self.sizes()},
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
    return find_or_make_causal(FirstTask, config, clock)
