"""Layers that make one vector of an item's token vectors (PRECISE, Embedding Fusion)."""

import torch
from torch import nn

_FAR = -1e30
# An expert is forgotten where it is kept less often than this share of the mean.
_FORGOTTEN = 0.25


class ExpertPooling(nn.Module):
    """A mixture of experts, each of which pools the tokens by its own attention (arXiv 2412.06308, Embedding Fusion).

    gate(x) = softmax(topk(mean of tokens . W_gate)), over the kept logits only
    Attn_j(x) = (sum over tokens of softmax(x_t . q_j / sqrt(W)) x_t) V_j
    sem = sum over the kept experts of gate(x)_j Attn_j(x)

    The paper leaves the inner form of Attn_j and what enters the gate open: here a learned query for each expert and
    the mean of the tokens. One expert without a gate is plain attention.

    Token vectors that are trained drift together, in favour of a few experts, until no item keeps the others. Hence an
    offset for each expert that counts in topk alone (as in arXiv 2408.15664): a training step raises that of experts
    that next to none of its items keep. It costs no gradient, and is zero as long as no expert is forgotten.

    Shapes: K items, M tokens an item, W their width, E experts, D width of the result.

    Args:
        token_width (int): W.
        width (int): D.
        n_experts (int): E.
        top_experts (int | None): How many experts an item keeps; None: all of them.
        initial_range (float): Standard deviation of the first results, about.
        balance_step (float): How much a training step changes an offset; 0 is the paper's plain choice.

    Attributes:
        offset (torch.Tensor): What is added to an expert's logit in topk; shape [E].
        queries (nn.Parameter): q_j; shape [E, W].
        values (nn.Parameter): V_j; shape [E, W, D].
        gate (nn.Parameter): W_gate; shape [W, E].
    """

    def __init__(self, token_width, width, n_experts, top_experts, initial_range, balance_step=0.0):
        super().__init__()
        self.balance_step = balance_step
        self.register_buffer("offset", torch.zeros(n_experts))
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
        places = (logits + self.offset).topk(self.top_experts, dim=-1).indices
        return torch.zeros_like(logits).scatter(-1, places, logits.gather(-1, places).softmax(-1))

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
        gates = self.gates(self.gate_logits(tokens, present))
        if self.training and self.balance_step and self.top_experts:
            self._shift(gates[present.any(1)])
        pooled = (weights @ tokens) * gates.unsqueeze(-1)
        # The sum over experts and the product with their values are one matrix product.
        return pooled.flatten(1) @ self.values.flatten(0, 1)

    @torch.no_grad()
    def _shift(self, gates):
        """Raises the offsets of experts that next to none of these items have kept."""
        used = (gates > 0).float().mean(0)
        self.offset += self.balance_step * (used < _FORGOTTEN * used.mean())

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
