"""UniSRec's adaptor: from text vectors to item vectors that are alike in all domains (arXiv 2206.05941)."""

import torch
from torch import nn
from torch.nn import functional

from recbole_idp.nn.dropout import dropout

_BLOCK = 4096


class MixtureAdaptor(nn.Module):
    """Parametric whitening by several experts, mixed by a noisy gate (UniSRec, universal item representation).

    x -> experts (drop(x) - b_e) W_e, mixed by softmax(x W_gate + noise * (softplus(x W_noise) + 0.01)) -> item vector

    Noise and dropout act in training only. The gate keeps all experts.

    Shapes: N items, W width of text vectors, E experts, D width of item vectors.

    Args:
        text_width: Width W of the text vectors.
        width: Width D of the item vectors.
        n_experts: Number of experts E.
        dropout_prob: Dropout on the text vectors, of each expert by itself.

    Attributes:
        weight (nn.Parameter): W_e, a whitening's rotation; shape [E, W, D].
        shift (nn.Parameter): b_e, its centre; shape [E, W].
        gate (nn.Parameter): W_gate; shape [W, E].
        noise (nn.Parameter): W_noise; shape [W, E].
    """

    NOISE_FLOOR = 1e-2

    def __init__(self, text_width: int, width: int, n_experts: int, dropout_prob: float) -> None:
        super().__init__()
        self.dropout_prob = dropout_prob
        self.weight = nn.Parameter(torch.randn(n_experts, text_width, width) * 0.02)
        self.shift = nn.Parameter(torch.zeros(n_experts, text_width))
        self.gate = nn.Parameter(torch.zeros(text_width, n_experts))
        self.noise = nn.Parameter(torch.zeros(text_width, n_experts))

    def gates(self, vectors: torch.Tensor) -> torch.Tensor:
        """Return the weight of each expert; rows sum to one; shape [N, E]."""
        logits = vectors @ self.gate
        if self.training:
            spread = functional.softplus(vectors @ self.noise) + self.NOISE_FLOOR
            logits = logits + torch.randn_like(logits) * spread
        return logits.softmax(-1)

    def forward(self, vectors: torch.Tensor) -> torch.Tensor:
        """Adapt text vectors.

        Args:
            vectors: Shape [N, W].

        Returns:
            Shape [N, D].
        """
        if not torch.is_grad_enabled() and len(vectors) > _BLOCK:
            # The experts' outputs for a large catalogue would fill the memory.
            return torch.cat([self(part) for part in vectors.split(_BLOCK)])
        inputs = vectors.expand(len(self.weight), *vectors.shape)
        inputs = dropout(inputs, self.dropout_prob, self.training)
        # b_e W_e is taken off the outputs: the same, and no gradient of all inputs is needed for that of b_e.
        outputs = torch.bmm(inputs, self.weight) - torch.bmm(self.shift.unsqueeze(1), self.weight)
        return (outputs * self.gates(vectors).t().unsqueeze(-1)).sum(0)
