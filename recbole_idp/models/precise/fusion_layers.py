"""Layers that turn an item's token vectors into one vector (PRECISE, Embedding Fusion)."""

import torch
from torch import nn

_FAR = -1e30


class ExpertPooling(nn.Module):
    """A mixture of experts, each of which pools the tokens by its own attention (arXiv 2412.06308, Embedding Fusion).

    gate(x) = softmax(topk(mean of tokens . W_gate)), over the kept logits only
    Attn_j(x) = (sum over tokens of softmax(x_t . q_j / sqrt(W)) x_t) V_j
    sem = sum over the kept experts of gate(x)_j Attn_j(x)

    The paper leaves the inner form of Attn_j and what enters the gate open: here a learned query for each expert and
    the mean of the tokens. One expert without a gate is plain attention.

    Shapes: K items, M tokens an item, W their width, E experts, D width of the result.

    Args:
        token_width: Width W of a token.
        width: Width D of the result.
        n_experts: Number of experts E.
        top_experts: How many experts an item keeps; None: all of them.
        initial_range: Standard deviation of the results before training, about.

    Attributes:
        queries (nn.Parameter): q_j; shape [E, W].
        values (nn.Parameter): V_j; shape [E, W, D].
        gate (nn.Parameter): W_gate; shape [W, E].
    """

    def __init__(
        self, token_width: int, width: int, n_experts: int, top_experts: int | None, initial_range: float
    ) -> None:
        super().__init__()
        self.top_experts = None if top_experts == n_experts else top_experts
        self.queries = nn.Parameter(torch.randn(n_experts, token_width))
        self.values = nn.Parameter(torch.randn(n_experts, token_width, width) * initial_range * token_width**-0.5)
        self.gate = nn.Parameter(torch.randn(token_width, n_experts) * token_width**-0.5)

    def gate_logits(self, tokens: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
        """Return the logits of the gate; shape [K, E]. Arguments as in :meth:`forward`."""
        return token_mean(tokens, present) @ self.gate

    def gates(self, logits: torch.Tensor) -> torch.Tensor:
        """Return the weight of each expert, 0 for those that are not kept; rows sum to one; shape [K, E]."""
        if self.top_experts is None:
            return logits.softmax(-1)
        kept, places = logits.topk(self.top_experts, dim=-1)
        return torch.zeros_like(logits).scatter(-1, places, kept.softmax(-1))

    def forward(self, tokens: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
        """Pool tokens.

        Args:
            tokens: Token vectors, in the order of the text; shape [K, M, W].
            present: Which tokens an item has; bool, shape [K, M].

        Returns:
            Zero for items without tokens; shape [K, D].
        """
        scores = (self.queries @ tokens.transpose(1, 2)) * tokens.shape[-1] ** -0.5
        weights = scores.masked_fill(~present.unsqueeze(1), _FAR).softmax(-1) * present.unsqueeze(1)
        pooled = (weights @ tokens) * self.gates(self.gate_logits(tokens, present)).unsqueeze(-1)
        # The sum over experts and the product with their values are one matrix product.
        return pooled.flatten(1) @ self.values.flatten(0, 1)

    def balance_loss(self, tokens: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
        """Return the load-balancing loss of Switch Transformers, 1 where all experts are used alike; scalar."""
        logits = self.gate_logits(tokens, present)
        used = (self.gates(logits) > 0).float().mean(0)
        return len(self.queries) * (used / used.sum() * logits.softmax(-1).mean(0)).sum()


class MeanPooling(nn.Module):
    """The tokens' mean, projected; arguments as in :class:`ExpertPooling`."""

    def __init__(self, token_width: int, width: int, initial_range: float) -> None:
        super().__init__()
        self.values = nn.Parameter(torch.randn(token_width, width) * initial_range * token_width**-0.5)

    def forward(self, tokens: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
        """Pool tokens; as :meth:`ExpertPooling.forward`."""
        return token_mean(tokens, present) @ self.values


class TokenConcatenation(nn.Module):
    """All tokens, concatenated and projected; further arguments as in :class:`ExpertPooling`.

    Args:
        n_tokens: Number of tokens M.
    """

    def __init__(self, n_tokens: int, token_width: int, width: int, initial_range: float) -> None:
        super().__init__()
        size = n_tokens * token_width
        self.values = nn.Parameter(torch.randn(size, width) * initial_range * size**-0.5)

    def forward(self, tokens: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
        """Pool tokens; as :meth:`ExpertPooling.forward`."""
        return (tokens * present.unsqueeze(-1)).flatten(1) @ self.values


def token_mean(tokens: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
    """Average the tokens that items have, zero for items without; arguments as in :class:`ExpertPooling`; [K, W]."""
    present = present.unsqueeze(-1).to(tokens.dtype)
    return (tokens * present).sum(1) / present.sum(1).clamp_min(1)
