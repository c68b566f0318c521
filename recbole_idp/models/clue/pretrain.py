"""Pre-training of CLUE on source sequences, and finding what was pre-trained before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from recbole_idp.data.keys import DataSettings
from recbole_idp.models.base.transferred import ENCODER_KEYS, weights_of
from recbole_idp.models.clue.collapse import CollapseAlarm
from recbole_idp.models.clue.pretraining_model import CLUEPretraining
from recbole_idp.storage.schema import ObjectOf
from recbole_idp.storage.sealed import FolderFormat
from recbole_idp.train.pretrained import find_or_make
from recbole_idp.train.pretrained_folder import WEIGHTS, FolderContent, card_text
from recbole_idp.train.pretrained_items import ITEMS, PretrainedItems, items_text
from recbole_idp.train.source_sequences import SequencePretraining, load_sequences, open_of_sequences
from recbole_idp.train.source_training import chosen_values, source_settings, train_resumably
from recbole_idp.train.trainer import SequenceTrainer

if TYPE_CHECKING:
    from recbole.config import Config

    from recbole_idp.data.domains import TargetLoader
    from recbole_idp.models.clue.batches import ViewPair
    from recbole_idp.train.clock import StageClock

_KEPT = ("item_embedding", "encoder")
# No users are held out, no metric is computed or stops the training, and no items are ranked or drawn as negatives.
_UNREAD = frozenset(
    (
        "pretrain_valid_users",
        "pretrain_stopping_step",
        "pretrain_negatives",
        "eval_step",
        "valid_metric",
        "valid_metric_bigger",
        "exclude_history",
    )
)


class PretrainedCLUE(PretrainedItems):
    """Pre-trained vectors of the source items, and the user encoder; projector and predictor are not kept."""

    folder_format = FolderFormat(
        name="pre-trained CLUE",
        made_by="a run of CLUE",
        identifier="recbole_idp CLUE",
        description_file="clue.json",
        required_files=frozenset((WEIGHTS, ITEMS)),
        schema={"fingerprint": str, "domains": [{"name": str}], "sizes": ObjectOf()},
    )


class ViewTrainer(SequenceTrainer):
    """Train on two views of each sequence, and watch for a collapse.

    The loss is lowest where all users have the same vector, so that it cannot say which epoch is best: the last one is
    taken.

    Args:
        config: The configuration of pre-training.
        model: The model.

    Attributes:
        trained_epochs (int): Number of epochs that are trained.
    """

    model: CLUEPretraining
    shares_steps = False
    counters = (*SequenceTrainer.counters, "trained_epochs")

    def __init__(self, config: Config, model: CLUEPretraining) -> None:
        super().__init__(config, model)
        self.valid_metric_bigger, self.best_valid_score = True, -float("inf")
        self.trained_epochs, self.alarm = 0, CollapseAlarm(model.hidden_size)
        self._found: list[tuple[torch.Tensor, torch.Tensor]] = []

    def _training_loss(self, batch: ViewPair) -> torch.Tensor:
        """Return the loss of a batch, and keep what is reported of it."""
        loss, spread = self.model.compare(batch)
        self._found.append((loss.detach(), spread))
        return loss

    def _valid_epoch(self, valid_data: TargetLoader, show_progress: bool = False) -> tuple[float, dict[str, float]]:
        """Report on the epoch; its number is its score."""
        loss, spread = (float(torch.stack(values).mean()) for values in zip(*self._found, strict=True))
        self._found.clear()
        self.alarm.report(self.trained_epochs, spread)
        self.trained_epochs += 1
        return float(self.trained_epochs), {"loss": loss, "spread": spread}


class ViewPretraining(SequencePretraining[PretrainedCLUE]):
    """Pre-training of CLUE's item vectors and user encoder on source sequences (ICDM 2021).

    Args:
        config: The target's configuration.
    """

    result = PretrainedCLUE
    prefix = "clue"

    def values(self) -> dict[str, Any]:
        """Return the keys that decide on the result; those that this pre-training does not read are left out."""
        values = super().values()
        # Dropout alone changes no event.
        unread = _UNREAD | {"view_share"} if values["view"] == "dropout" else _UNREAD
        return {key: value for key, value in values.items() if key not in unread}

    def train(self, clock: StageClock) -> FolderContent:
        """Train on the source sequences; see :class:`Pretraining`."""
        config = self.config
        domains = load_sequences(config, self.locations, clock)
        # Nothing is held out: no metric chooses the epoch.
        settings = source_settings(config, train_negatives=0, eval_step=1)
        train, _ = domains.split(0, config["seed"])

        def make_model() -> CLUEPretraining:
            return CLUEPretraining(settings, train.dataset)

        with clock.stage("pretrain", "training CLUE's user encoder on source sequences") as facts:
            trainer, valid = train_resumably(settings, make_model, (train, train), self.unfinished, ViewTrainer)
            facts.update(sequences_per_second=round(trainer.targets_per_second), valid=valid)
        return FolderContent(
            domains=domains.domains,
            valid=valid,
            weights={WEIGHTS: weights_of(trainer.model, *_KEPT)},
            facts={"sizes": chosen_values(config, *ENCODER_KEYS)},
            texts={ITEMS: items_text(domains)},
        )

    def card(self, description: Mapping[str, Any]) -> str:
        """Return the model card."""
        names = ", ".join(domain["name"] for domain in description["domains"])
        valid = description["valid"]
        return card_text(
            "A pre-trained CLUE of recbole_idp",
            f"Item vectors and user encoder (CLUE, ICDM 2021), pre-trained on the sequences of {names}.",
            {
                "Loss of the last epoch": f"{valid['loss']:.4f}",
                "Spread of the projections (1: even, 0: all users alike)": f"{valid['spread']:.4f}",
                "Seed": description["seed"],
            },
            "--model=CLUE --dataset=NAME",
        )


def find_or_pretrain(config: Config, clock: StageClock | None = None) -> PretrainedCLUE:
    """Open the folder that a configuration means, and make it first where there is none.

    Args:
        config: With ``pretrained`` naming a folder, or else the sources and all hyper-parameters.
        clock: Where stages are timed.

    Returns:
        Item vectors and user encoder.

    Raises:
        UserError: The named folder or the sources cannot be used.
    """
    if config["pretrained"]:
        return open_of_sequences(PretrainedCLUE, config["pretrained"], config["dataset"], DataSettings.of(config))
    return find_or_make(ViewPretraining(config), clock)
