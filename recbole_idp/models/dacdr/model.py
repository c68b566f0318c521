"""DA-CDR (own reconstruction): dual adversarial cross-domain recommendation (DOI 10.1109/TKDE.2021.3132953)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import nn

from recbole_idp.data.rows import Batch
from recbole_idp.models.base.sequence_model import ROWS, SequenceModel
from recbole_idp.models.dacdr.data import TwoDomainBatches
from recbole_idp.models.dacdr.encoders import (
    SOURCE,
    TARGET,
    Discriminator,
    Parts,
    SharedPrivateEncoder,
    domain_accuracy,
    domain_loss,
    overlap,
)
from recbole_idp.models.dacdr.keys import DACDRSettings
from recbole_idp.models.dacdr.tower import UserTower
from recbole_idp.nn.encoder.keys import TransformerSettings
from recbole_idp.nn.encoder.transformer import TransformerEncoder
from recbole_idp.nn.lookup import lookup
from recbole_idp.nn.loss import build_loss

if TYPE_CHECKING:
    from recbole.config import Config

    from recbole_idp.data.sequences import Targets
    from recbole_idp.models.dacdr.data import TwoDomainBatch, TwoDomainDataset


class Joint(NamedTuple):
    """What a batch of both domains gives; all scalars.

    Attributes:
        loss: What is minimised.
        user_accuracy: Accuracy of the discriminator of users.
        item_accuracy: The same of the target items of these rows.
        overlap: The term that keeps shared and private parts apart.
    """

    loss: torch.Tensor
    user_accuracy: torch.Tensor
    item_accuracy: torch.Tensor
    overlap: torch.Tensor


class Side(NamedTuple):
    """What is computed of the rows of one domain. T targets.

    Attributes:
        loss: The recommendation loss, a scalar.
        users: Parts of the users' states at the targets.
        items: Parts of the target items.
    """

    loss: torch.Tensor
    users: Parts
    items: Parts


class DACDR(SequenceModel):
    """DA-CDR (own reconstruction), on sequences; of the paper the abstract alone is known to us.

    item ids of both domains -> x_i -> SASRec blocks -> state x_u
    x_u -> shared E_u, private E_u^D -> r_u;  x_i -> shared E_i, private E_i^D -> r_i;  r_u . r_i -> scores
    shared parts -> reversed gradients -> discriminators of the domain D

    L = L_rec^S + L_rec^T + alpha (L_u + L_i) + beta (overlap of users + overlap of items). The source domains together
    are S.

    Args:
        config: RecBole's configuration.
        dataset: The target with the rows of the sources.

    Attributes:
        strength (float): Strength lambda of the gradient reversal; the trainer sets it.
    """

    encoder: UserTower
    encoder_kind = "DACDR"

    def __init__(self, config: Config, dataset: TwoDomainDataset) -> None:
        self.settings = DACDRSettings.of(config)
        super().__init__(config, dataset)
        self.sources, self.strength = dataset.sources, 0.0
        self.items = SharedPrivateEncoder(self.hidden_size, self.settings.shared_private_dropout_prob)
        self.user_discriminator = Discriminator(self.hidden_size)
        self.item_discriminator = Discriminator(self.hidden_size)
        self.source_loss = build_loss(config["loss_type"], 0)
        for module in self.encoder.users.modules():
            if isinstance(module, nn.Linear):
                # Not the small weights of the Transformer: two layers of them would leave nothing of a state.
                module.reset_parameters()

    def build_encoder(self, config: Config) -> UserTower:
        """Build the sequence encoder of both domains, and what each makes of its states."""
        settings = TransformerSettings.of(config)
        blocks = TransformerEncoder(settings, config["MAX_ITEM_LIST_LENGTH"])
        users = SharedPrivateEncoder(settings.hidden_size, self.settings.shared_private_dropout_prob)
        return UserTower(blocks, users)

    def candidate_vectors(self) -> torch.Tensor:
        """Return the representation r_i of every item of the target; shape [N, D]."""
        return self.items(self.item_embedding.weight[: self.n_items], TARGET)

    def training_batches(  # type: ignore[override]  # rows of both domains
        self, targets: Targets, config: Config, generator: torch.Generator
    ) -> TwoDomainBatches:
        """Build batches, half of the source and half of the target; arguments as in :class:`SequenceModel`."""
        rows, half = ROWS[config["training_rows"]], max(1, config["train_batch_size"] // 2)
        source, target = (
            rows(part, config["MAX_ITEM_LIST_LENGTH"], half, generator) for part in (self.sources.targets, targets)
        )
        return TwoDomainBatches(source, target)

    def joint_loss(self, batch: TwoDomainBatch) -> Joint:
        """Compute the loss of a batch of both domains, and what is reported of it."""
        source, target = self._source_side(batch.source), self._target_side(batch.target)
        user_loss, user_accuracy = self._adversary(self.user_discriminator, source.users, target.users)
        item_loss, item_accuracy = self._adversary(self.item_discriminator, source.items, target.items)
        together = overlap(source.users.joined_with(target.users)) + overlap(source.items.joined_with(target.items))
        adversary = self.settings.adversary_weight * (user_loss + item_loss)
        loss = source.loss + target.loss + adversary + self.settings.orthogonality_weight * together
        return Joint(loss, user_accuracy, item_accuracy, together.detach())

    def _adversary(
        self, discriminator: Discriminator, source: Parts, target: Parts
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the loss of a discriminator on the shared parts, and its accuracy; scalars."""
        logits = [discriminator(part.shared, self.strength) for part in (source, target)]
        return domain_loss(*logits), domain_accuracy(*(part.detach() for part in logits))

    def _states(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the states x_u where there is a target, shape [T, D], and the targets, shape [T]."""
        states, targets = [], []
        for items, target_items in batch.parts:
            encoded = self.encoder.encoder(lookup(self.item_embedding.weight, items), items == 0)
            states.append(encoded[target_items > 0])
            targets.append(target_items[target_items > 0])
        return torch.cat(states), torch.cat(targets)

    def _target_side(self, batch: Batch) -> Side:
        """Compute what is needed of the rows of the target."""
        states, target_items = self._states(batch)
        users = self.encoder.users.parts(states, TARGET)
        items = self.items.parts(lookup(self.item_embedding.weight, target_items), TARGET)
        joined = self.encoder.users.joined(users)
        return Side(self.loss(joined, target_items, self.candidate_vectors(), self.item_bias()), users, items)

    def _source_side(self, batch: Batch) -> Side:
        """Compute what is needed of the rows of the source, whose targets are compared with some of its items."""
        states, target_items = self._states(batch)
        users = self.encoder.users.parts(states, SOURCE)
        # Row 0 stands for padding, as in the tables of all items.
        numbers = torch.cat([target_items.new_zeros(1), self._source_candidates(target_items)])
        items = self.items.parts(lookup(self.item_embedding.weight, numbers), SOURCE)
        places = torch.searchsorted(numbers, target_items)
        joined = self.encoder.users.joined(users)
        loss = self.source_loss(joined, places, self.items.joined(items))
        return Side(loss, users, items.rows(places))

    def _source_candidates(self, target_items: torch.Tensor) -> torch.Tensor:
        """Return the distinct source items that targets are compared with: themselves, and some others; ascending."""
        items, count = self.sources.items.to(target_items.device), self.settings.source_negatives
        if count == 0 or count >= len(items):
            return items
        drawn = items[torch.randint(len(items), (count,), device=target_items.device)]
        return torch.cat([target_items, drawn]).unique()
