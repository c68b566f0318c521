"""CLUE as it is pre-trained on the source sequences (ICDM 2021)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import nn

from recbole_idp.models.base.sequence_model import SequenceModel
from recbole_idp.models.clue.batches import ViewPairs
from recbole_idp.models.clue.encoder import user_encoder
from recbole_idp.models.clue.heads import Predictor, Projector, similarity_loss, spread
from recbole_idp.models.clue.keys import CLUESettings
from recbole_idp.models.clue.views import MASK, VIEWS
from recbole_idp.nn.encoder.keys import EncoderSettings
from recbole_idp.nn.lookup import lookup

if TYPE_CHECKING:
    from recbole.config import Config

    from recbole_idp.data.sequences import Targets
    from recbole_idp.models.base.sequence_model import ModelData
    from recbole_idp.models.clue.batches import ViewPair
    from recbole_idp.nn.encoder.token import TokenEncoder


class Comparison(NamedTuple):
    """What comparing the views of a batch gives.

    Attributes:
        loss: Scalar.
        spread: How far the projections of different users differ; see
            :func:`~recbole_idp.models.clue.heads.spread`; scalar.
    """

    loss: torch.Tensor
    spread: torch.Tensor


class CLUEPretraining(SequenceModel):
    """CLUE's SimSiam on user sequences: no negatives (ICDM 2021).

    two views -> item vectors, [UR] -> encoder -> user vectors h -> projector -> z -> predictor -> p
    p of each view -> cosine with z of the other one, through which no gradient flows

    Each view has a pass of its own, so that batch normalisation does not mix them. The encoder's dropout differs in the
    two passes, and is all that differs with the view ``dropout``.

    Args:
        config: The configuration of pre-training.
        dataset: The joined source domains.

    Attributes:
        mask_vector (nn.Parameter): Vector of masked events; shape [D].
    """

    def __init__(self, config: Config, dataset: ModelData) -> None:
        super().__init__(config, dataset)
        self.settings = CLUESettings.of(config)
        self.projector = Projector(self.hidden_size)
        self.predictor = Predictor(self.hidden_size, max(1, self.hidden_size // 4))
        self.mask_vector = nn.Parameter(torch.randn(self.hidden_size) * self.initializer_range)

    def build_encoder(self, config: Config) -> TokenEncoder:
        """Build the encoder that reads the user at [UR]."""
        return user_encoder(EncoderSettings.of(config), config["MAX_ITEM_LIST_LENGTH"])

    def training_batches(  # type: ignore[override]  # rows with views
        self, targets: Targets, config: Config, generator: torch.Generator
    ) -> ViewPairs:
        """Build rows with two views; arguments as in :class:`SequenceModel`."""
        view, share = VIEWS[self.settings.view], self.settings.view_share
        batch_size = config["train_batch_size"]
        return ViewPairs(targets.sequences, config["MAX_ITEM_LIST_LENGTH"], view, share, batch_size, generator)

    def encode(self, items: torch.Tensor) -> torch.Tensor:
        """Encode sequences, in which some events may be masked; see the base class."""
        masked = items == MASK
        vectors = lookup(self.item_vectors(), items.masked_fill(masked, 0))
        return self.encoder(torch.where(masked.unsqueeze(-1), self.mask_vector, vectors), items == 0)

    def compare(self, batch: ViewPair) -> Comparison:
        """Compare the two views of each sequence.

        Args:
            batch: Two rows at least; the model is in training mode.

        Returns:
            The loss, and the spread of the first view's projections.
        """
        users = (self.forward(view, (view != 0).sum(1)) for view in (batch.first, batch.second))
        first, second = (self.projector(user) for user in users)
        loss = similarity_loss(self.predictor(first), self.predictor(second), first, second)
        return Comparison(loss, spread(first))

    def position_loss(self, batch: ViewPair) -> torch.Tensor:  # type: ignore[override]  # of its training_batches
        """Compute the loss of a batch with two views; scalar."""
        return self.compare(batch).loss
