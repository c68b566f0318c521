"""What a model says of itself to whoever answers with it: :mod:`recbole_idp.serving` asks for nothing else."""

from dataclasses import dataclass

import torch
from torch import nn


@dataclass(frozen=True)
class Serving:
    """What is needed to answer without the model's class. N items with padding, D width.

    history -> item vectors -> encoder -> state [D] (normalised, / temperature) . candidate vectors + bias -> scores

    Attributes:
        item_vectors (torch.Tensor): Vector of every item as input, row 0 being padding; shape [N, D].
        candidate_vectors (torch.Tensor): Vector of every item as candidate; shape [N, D].
        item_bias (torch.Tensor | None): Added to the score of every item; shape [N]. None: nothing is.
        encoder (nn.Module): Makes states of item vectors; where users have a head, encoder and head as one.
        encoder_kind (str | None): The kind by which :mod:`recbole_idp.serving.user_encoder` builds the encoder again;
            None: it cannot be built without the model's class, so that no folder is made.
        excludes_history (bool): Whether items of the history are never recommended: training did not compare them.
        hidden_event (bool): Whether the state is that of a hidden event after the last one (BERT4Rec), and not that
            of the last one.
        temperature (float | None): Divides states of length one (UniSRec); None: states stay as they are.
        takes_generated_items (bool): Whether an item that joins later needs a generated vector and nothing else (IDP).
    """

    item_vectors: torch.Tensor
    candidate_vectors: torch.Tensor
    item_bias: torch.Tensor | None
    encoder: nn.Module
    encoder_kind: str | None
    excludes_history: bool = False
    hidden_event: bool = False
    temperature: float | None = None
    takes_generated_items: bool = False
