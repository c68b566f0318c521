"""IDP: ID-centric pre-training for recommendation (arXiv 2405.03562)."""

import dataclasses

import torch
from recbole.utils import get_model

from recbole_idp.errors import UserError
from recbole_idp.models.base.sequence_model import SequenceModel, target_counts
from recbole_idp.models.base.serving import Serving


class IDP(SequenceModel):
    """ID-centric pre-training (arXiv 2405.03562).

    item ids -> E^T (generated from matched source items) + positions -> SASRec blocks -> last state . E^T -> scores

    Shapes: B batch, L length, D width, N items.

    Made from a configuration alone this is SASRec with random weights; :meth:`start_from` gives it the pre-trained
    ones, which :class:`~recbole_idp.models.idp.transfer.TransferTrainer` calls before it trains.

    Attributes:
        extends (str): As of :class:`~recbole_idp.models.base.sequence_model.SequenceModel`.
        can_be_pretrained (bool): Whether it can be trained on source domains; not where it looks at one domain's texts.
        encoder_kind (str): What the sequence encoder is; another kind's weights do not fit.
        encoder_keys (tuple[str, ...]): Keys that must be equal before and after the transfer for its weights to fit.
        generated (torch.Tensor): What the IDs started from, all zero where they started at random; shape [N, D].
        prior_weight (float): What an item's squared distance from it costs in the mean loss.
    """

    extends = "IDP"
    can_be_pretrained = True
    encoder_keys = ("hidden_size", "n_layers", "n_heads", "inner_size", "hidden_act", "MAX_ITEM_LIST_LENGTH")

    def __init__(self, config, dataset):
        super().__init__(config, dataset)
        self.register_buffer("generated", torch.zeros_like(self.item_embedding.weight))
        self.prior_weight = config["generated_prior"] / float(target_counts(dataset, self.n_items).sum())

    @classmethod
    def describe_encoder(cls, config):
        """Returns kind and sizes of the sequence encoder that a configuration asks for, as a bundle tells them."""
        return {"kind": cls.encoder_kind, **{key: config[key] for key in cls.encoder_keys}}

    def serving(self) -> Serving:
        """Return what is needed to answer; items that join later are generated as the first ones were."""
        return dataclasses.replace(super().serving(), takes_generated_items=True)

    def start_from(self, generated, encoder=None):
        """Takes over pre-trained weights (IDP, the three ways of use downstream).

        Args:
            generated (torch.Tensor): Generated ID embedding E^T of items 1 to N - 1; shape [N - 1, D].
            encoder (dict[str, torch.Tensor], optional): State of the pre-trained encoder; None keeps the random one.

        Raises:
            UserError: The encoder's weights are of other sizes than this model's.
        """
        with torch.no_grad():
            self.item_embedding.weight[1:] = generated.to(self.item_embedding.weight)
            self.generated.copy_(self.item_embedding.weight)
        if encoder is None:
            return
        try:
            self.encoder.load_state_dict(encoder)
        except RuntimeError as error:
            keys, reason = ", ".join(self.encoder_keys), " ".join(str(error).split())[:200]
            raise UserError(
                f"the pre-trained encoder does not fit this model ({reason}): {keys} must be as in pre-training; where "
                "they are, the bundle is not as it says, so pre-train again"
            ) from error

    def position_loss(self, batch):
        """Computes the mean loss over all positions that have a target, and the cost of leaving what was generated.

        The cost is that of a normal prior around the generated IDs: an item that the target's data say much about goes
        where they want it, one that they hardly know stays with its like. The prior weighs as much whatever the number
        of events, so that it fades as they grow.

        Args:
            batch (Batch): Parts of items and targets of shape [B, L].

        Returns:
            torch.Tensor: Scalar.
        """
        return super().position_loss(batch) + self.prior_loss()

    def calculate_loss(self, interaction):
        """RecBole's hook: the mean loss of rows with one target each, and the cost of leaving what was generated."""
        return super().calculate_loss(interaction) + self.prior_loss()

    def prior_loss(self):
        """Returns the cost of the IDs' distances from those generated, a scalar; 0 where they started at random."""
        if not self.prior_weight or not self.generated.any():
            return 0.0
        return self.prior_weight * (self.item_embedding.weight - self.generated).pow(2).sum()


def check_encoder(config, pretrained, variants):
    """Checks that what is pre-trained fits the target model of a configuration.

    Args:
        config (Config): The target's configuration.
        pretrained (dict): What :meth:`IDP.describe_encoder` returned for the pre-trained model.
        variants (Sequence[str]): The variants that take over the encoder; none: the IDs alone have to fit.

    Raises:
        UserError: The pre-trained encoder is of another kind or size; the line names the key.
    """
    own = get_model(config["model"]).describe_encoder(config)
    if variants and pretrained["kind"] != own["kind"]:
        raise UserError(
            f"{variants[0]} takes over the encoder, but {pretrained['kind']} was pre-trained and {config['model']} is "
            f"{own['kind']}: its IDs alone can be taken over, by the variant new_encoder (--transfer, --variants)"
        )
    for key in own if variants else ["hidden_size"]:
        if pretrained.get(key) != own[key]:
            raise UserError(
                f"the bundle was pre-trained with {key}={pretrained.get(key)}, this run has {own[key]}: "
                f"give --{key}={pretrained.get(key)}, or pre-train with the other value"
            )
