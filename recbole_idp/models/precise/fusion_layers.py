"""Layers that make one vector of an item's token vectors (PRECISE, Embedding Fusion)."""

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
        token_width (int): W.
        width (int): D.
        n_experts (int): E.
        top_experts (int | None): How many experts an item keeps; None: all of them.
        initial_range (float): Standard deviation of the first results, about.

    Attributes:
        queries (nn.Parameter): q_j; shape [E, W].
        values (nn.Parameter): V_j; shape [E, W, D].
        gate (nn.Parameter): W_gate; shape [W, E].
    """

    def __init__(self, token_width, width, n_experts, top_experts, initial_range):
        super().__init__()
        self.top_experts = None if top_experts == n_experts else top_experts
        self.queries = nn.Parameter(torch.randn(n_experts, token_width))
        self.values = nn.Parameter(torch.randn(n_experts, token_width, width) * initial_range * token_width**-0.5)
        self.gate = nn.Parameter(torch.randn(token_width, n_experts) * token_width**-0.5)

    def gate_logits(self, tokens, present):
        """Returns how much each expert is wanted; shape [K, E]. Arguments as in :meth:`forward`."""
        return token_mean(tokens, present) @ self.gate

    def gates(self, logits):
        """Returns how much each expert counts, 0 for those that are not kept; rows sum to one; shape [K, E]."""
        if self.top_experts is None:
            return logits.softmax(-1)
        kept, places = logits.topk(self.top_experts, dim=-1)
        return torch.zeros_like(logits).scatter(-1, places, kept.softmax(-1))

    def forward(self, tokens, present):
        """Pools tokens.

        Args:
            tokens (torch.Tensor): Token vectors, in the order of the text; shape [K, M, W].
            present (torch.BoolTensor): Which tokens an item has; shape [K, M].

        Returns:
            torch.Tensor: Zero for items without tokens; shape [K, D].
        """
        scores = (self.queries @ tokens.transpose(1, 2)) * tokens.shape[-1] ** -0.5
        weights = scores.masked_fill(~present.unsqueeze(1), _FAR).softmax(-1) * present.unsqueeze(1)
        pooled = (weights @ tokens) * self.gates(self.gate_logits(tokens, present)).unsqueeze(-1)
        # The sum over experts and the product with their values are one matrix product.
        return pooled.flatten(1) @ self.values.flatten(0, 1)

    def balance_loss(self, tokens, present):
        """Returns what uneven use of the experts costs, 1 where it is even (as in Switch Transformers); a scalar."""
        logits = self.gate_logits(tokens, present)
        used = (self.gates(logits) > 0).float().mean(0)
        return len(self.queries) * (used / used.sum() * logits.softmax(-1).mean(0)).sum()


class MeanPooling(nn.Module):
    """The tokens' mean, projected; arguments as in :class:`ExpertPooling`."""

    def __init__(self, token_width, width, initial_range):
        super().__init__()
        self.values = nn.Parameter(torch.randn(token_width, width) * initial_range * token_width**-0.5)

    def forward(self, tokens, present):
        """Pools tokens; as :meth:`ExpertPooling.forward`."""
        return token_mean(tokens, present) @ self.values


class TokenConcatenation(nn.Module):
    """All tokens beside one another, projected; further arguments as in :class:`ExpertPooling`.

    Args:
        n_tokens (int): M.
    """

    def __init__(self, n_tokens, token_width, width, initial_range):
        super().__init__()
        size = n_tokens * token_width
        self.values = nn.Parameter(torch.randn(size, width) * initial_range * size**-0.5)

    def forward(self, tokens, present):
        """Pools tokens; as :meth:`ExpertPooling.forward`."""
        return (tokens * present.unsqueeze(-1)).flatten(1) @ self.values


def token_mean(tokens, present):
    """Averages the tokens that items have; shapes as in :class:`ExpertPooling`; zero for items without; [K, W]."""
    present = present.unsqueeze(-1).to(tokens.dtype)
    return (tokens * present).sum(1) / present.sum(1).clamp_min(1)
