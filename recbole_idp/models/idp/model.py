"""IDP: ID-centric pre-training for recommendation (arXiv 2405.03562)."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional

from recbole_idp.errors import UserError
from recbole_idp.models.base.sequence_model import ModelData, SequenceModel, target_counts
from recbole_idp.models.base.serving import Serving
from recbole_idp.models.base.transferred import check_sizes, take_over
from recbole_idp.nn.encoder.kinds import ENCODERS
from recbole_idp.nn.lookup import lookup

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from recbole.config import Config
    from recbole.data.interaction import Interaction

    from recbole_idp.data.rows import Batch


class IDP(SequenceModel):
    """ID-centric pre-training (arXiv 2405.03562).

    item ids -> E^T (generated from matched source items) + positions -> SASRec blocks -> last state . E^T -> scores

    Shapes: B batch, L length, D width, N items; I inputs, which are the items and, where users are joined with source
    domains, the items of these: IDs of both live in one space, and the encoder was trained on the latter.

    Built from a configuration alone this is SASRec with random weights. :meth:`start_from` loads the pre-trained ones;
    :class:`~recbole_idp.models.idp.transfer.TransferTrainer` calls it before training.

    Attributes:
        extends: As of :class:`~recbole_idp.models.base.sequence_model.SequenceModel`.
        can_be_pretrained: Whether it can be trained on source domains; not where it reads one domain's texts.
        encoder_kind: Kind of the sequence encoder; another kind's weights do not fit.
        encoder_keys: Keys that must be equal before and after the transfer for its weights to fit; None: those of the
            encoder that the key ``encoder`` names.
        generated: The IDs before training, all zero where they started at random; shape [I, D].
        prior_weight (float): Weight of an item's squared distance from it in the mean loss.
        prior_rows (int): Number of inputs that are held by the prior: without history items that are not pre-trained,
            or are not trained.
        size_keys (list[str]): The keys that :meth:`describe_encoder` returns.
        history_is_frozen (bool): Whether the IDs of history items stay those of the pre-training.
    """

    generated: torch.Tensor

    extends = "IDP"
    can_be_pretrained: bool = True
    encoder_keys: tuple[str, ...] | None = None

    def __init__(self, config: Config, dataset: ModelData) -> None:
        super().__init__(config, dataset)
        self.register_buffer("generated", torch.zeros_like(self.item_embedding.weight))
        self.size_keys = [key for key in self.describe_encoder(config) if key != "kind"]
        self.prior_weight = config["generated_prior"] / float(target_counts(dataset, self.n_items).sum())
        self.history_is_frozen, self.prior_rows = False, self.n_items

    @classmethod
    def describe_encoder(cls, config: Config) -> dict[str, Any]:
        """Return kind and sizes of the configured sequence encoder, as a bundle stores them."""
        kind, keys = cls.encoder_kind, cls.encoder_keys
        if keys is None:
            kind = config["encoder"]
            keys = ENCODERS[kind].sizes
        return {"kind": kind, **{key: config[key] for key in keys}}

    def serving(self) -> Serving:
        """Return the parts that compute scores; items that are added later are generated as the first ones were."""
        return dataclasses.replace(super().serving(), takes_generated_items=True)

    def encode(self, items: torch.Tensor) -> torch.Tensor:
        """Encode sequences; as in :class:`SequenceModel`."""
        if not self.history_is_frozen:
            return super().encode(items)
        other, table = (items >= self.n_items).unsqueeze(2), self.item_embedding.weight
        own = lookup(table, items.masked_fill(other.squeeze(2), 0))
        vectors = torch.where(other, functional.embedding(items, table.detach()), own)
        return self.encoder(vectors, items == 0)

    def start_history_from(self, ids: torch.Tensor, frozen: bool) -> None:
        """Load the pre-trained IDs of the history items.

        Args:
            ids: Shape [I - N, D].
            frozen: Whether they stay as they are.
        """
        with torch.no_grad():
            self.item_embedding.weight[self.n_items :] = ids.to(self.item_embedding.weight)
            self.generated[self.n_items :] = self.item_embedding.weight[self.n_items :]
        self.history_is_frozen, self.prior_rows = frozen, self.n_items if frozen else self.n_inputs

    def start_from(self, generated: torch.Tensor, encoder: Mapping[str, torch.Tensor] | None = None) -> None:
        """Load pre-trained weights (IDP, the three ways of use downstream).

        Args:
            generated: Generated ID embedding E^T of items 1 to N - 1; shape [N - 1, D].
            encoder: State of the pre-trained encoder; None keeps the random one.

        Raises:
            UserError: The encoder's weights are of other sizes than this model's.
        """
        with torch.no_grad():
            self.item_embedding.weight[1 : self.n_items] = generated.to(self.item_embedding.weight)
            self.generated[: self.n_items] = self.item_embedding.weight[: self.n_items]
        if encoder is None:
            return
        weights = {f"encoder.{name}": value for name, value in encoder.items()}
        take_over(self, weights, ["encoder"], self.size_keys, "the pre-trained encoder")

    def position_loss(self, batch: Batch) -> torch.Tensor:
        """Compute the mean loss over all positions that have a target, plus the prior around the generated IDs.

        The prior is normal, with the generated IDs as its mean: frequent items move to where the target's data pull
        them, rare items stay near where they started. Its weight does not depend on the number of events, so that it
        fades as they grow.

        Args:
            batch: Parts of items and targets of shape [B, L].

        Returns:
            Scalar.
        """
        return super().position_loss(batch) + self.prior_loss()

    def calculate_loss(self, interaction: Interaction) -> torch.Tensor:
        """Compute the mean loss of rows with one target each, plus the prior, a hook of RecBole; scalar."""
        return super().calculate_loss(interaction) + self.prior_loss()

    def prior_loss(self) -> torch.Tensor | float:
        """Return the weighted squared distance of the IDs from those generated; 0 where they started at random."""
        if not self.prior_weight or not self.generated.any():
            return 0.0
        moved = self.item_embedding.weight[: self.prior_rows] - self.generated[: self.prior_rows]
        return self.prior_weight * moved.pow(2).sum()


def check_encoder(model: str, own: Mapping[str, Any], pretrained: Mapping[str, Any], variants: Sequence[str]) -> None:
    """Check that what is pre-trained fits the target model.

    Args:
        model: The model's name.
        own: What its :meth:`IDP.describe_encoder` returns.
        pretrained: What that method returned for the pre-trained model.
        variants: The variants that take over the encoder; none: the IDs alone have to fit.

    Raises:
        UserError: The pre-trained encoder is of another kind or size; the message names the key.
    """
    if variants and pretrained["kind"] != own["kind"]:
        raise UserError(
            f"{variants[0]} takes over the encoder, but {pretrained['kind']} was pre-trained and {model} is "
            f"{own['kind']}: only its IDs can be taken over, by the variant new_encoder (--transfer, --variants)"
        )
    compared = own if variants else {"hidden_size": own["hidden_size"]}
    check_sizes(compared, pretrained, "the bundle")
