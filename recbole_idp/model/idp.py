"""IDP: ID-centric pre-training for recommendation (arXiv 2405.03562)."""

import torch

from recbole_idp.errors import UserError
from recbole_idp.model.sequence_model import SequenceModel

# What must be equal before and after the transfer for the encoder's weights to fit.
ENCODER_KEYS = ("hidden_size", "n_layers", "n_heads", "inner_size", "hidden_act", "MAX_ITEM_LIST_LENGTH")


class IDP(SequenceModel):
    """ID-centric pre-training (arXiv 2405.03562).

    item ids -> E^T (generated from matched source items) + positions -> SASRec blocks -> last state . E^T -> scores

    Shapes: B batch, L length, D width, N items.

    Made from a configuration alone this is SASRec with random weights; :meth:`start_from` gives it the pre-trained
    ones, which :class:`~recbole_idp.trainer.transfer.TransferTrainer` calls before it trains.
    """

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
        if encoder is None:
            return
        try:
            self.encoder.load_state_dict(encoder)
        except RuntimeError as error:
            keys = ", ".join(ENCODER_KEYS)
            raise UserError(
                f"the pre-trained encoder does not fit this model: {keys} must be as in pre-training"
            ) from error


def check_sizes(config, description):
    """Checks that a bundle's encoder fits a configuration.

    Args:
        config (Config): The target's configuration.
        description (dict): The bundle's description.

    Raises:
        UserError: A size differs; the line names the key.
    """
    for key in ENCODER_KEYS:
        if description["encoder"].get(key) != config[key]:
            raise UserError(
                f"the bundle was pre-trained with {key}={description['encoder'].get(key)}, this run has {config[key]}: "
                f"give --{key}={description['encoder'].get(key)}, or pre-train with the other value"
            )
