"""The bidirectional encoder of BERT4Rec."""

import torch
from torch import nn
from torch.nn import functional

from recbole_idp.nn.encoder.transformer import TransformerEncoder


class BERT4RecEncoder(TransformerEncoder):
    """Blocks whose positions see each other, a vector for hidden events, and a layer before the scores.

    item vectors [B, L, D] -> those of hidden events replaced -> bidirectional blocks -> dense, GELU, norm -> states

    The order of the operations is that of RecBole's BERT4Rec: with the same weights it gives the same states.

    Args:
        config (Config): The keys of :class:`~recbole_idp.nn.encoder.transformer.TransformerEncoder`, and
            ``initializer_range``.

    Attributes:
        mask_vector (nn.Parameter): Stands for an event that is to be told; shape [D].
    """

    def __init__(self, config):
        super().__init__(config, causal=False)
        width = config["hidden_size"]
        self.mask_vector = nn.Parameter(torch.randn(width) * config["initializer_range"])
        self.output = nn.Linear(width, width)
        self.output_norm = nn.LayerNorm(width, eps=config["layer_norm_eps"])

    def forward(self, vectors, padding, hidden=None):
        """Encodes sequences of item vectors.

        Args:
            vectors (torch.Tensor): Shape [B, L, D].
            padding (torch.BoolTensor): True at padded positions, which stand on the right; shape [B, L].
            hidden (torch.BoolTensor, optional): True at events whose own vector may not be seen; shape [B, L].

        Returns:
            torch.Tensor: The state at each position, shape [B, L, D]; undefined at padded ones.
        """
        if hidden is not None:
            vectors = torch.where(hidden.unsqueeze(-1), self.mask_vector, vectors)
        states = super().forward(vectors, padding)
        return self.output_norm(functional.gelu(self.output(states)))
