"""PRECISE's Embedding Fusion: one item vector of an ID and of the tokens of the item's text (arXiv 2412.06308)."""

import torch
from torch import nn

from recbole_idp.models.precise.fusion_layers import ExpertPooling, MeanPooling, TokenConcatenation
from recbole_idp.nn.lookup import lookup

FUSIONS = ("experts", "experts_softmax", "mean", "concat", "attention", "id_only", "text_only")
"""The paper's fusion, and what it is compared with."""

_BLOCK = 4096


class EmbeddingFusion(nn.Module):
    """ID and semantic vector of an item beside one another (arXiv 2412.06308, Embedding Fusion).

    item -> ID, and item -> token vectors -> pooling -> semantic vector; e = ID (+) semantic vector

    Token vectors start as a frozen language model's states (:meth:`start_tokens`) and are trained like IDs, one set an
    item; the language model is not needed any more. In single precision, as they are trained, they are few and narrow
    (``token_count`` and ``token_width``): 81 thousand items of 8 times 32 numbers are 83 MB, and as much again for
    their gradient and each of Adam's two moments.

    Shapes: N items, K asked for, M tokens an item, W their width, D width of the result.

    Args:
        config (Config): ``fusion``, ``hidden_size``, ``semantic_size``, ``token_count``, ``token_width``,
            ``n_experts``, ``top_experts`` and ``initializer_range``.
        n_items (int): N.

    Attributes:
        ids (nn.Parameter | None): IDs, zero for padding; shape [N, D - width of the semantic vector].
        tokens (nn.Parameter | None): Token vectors; shape [N, M * W].
        present (torch.BoolTensor | None): Which tokens an item has; shape [N, M].
        pooling (nn.Module | None): Makes the semantic vector.
    """

    def __init__(self, config, n_items):
        super().__init__()
        kind, width = config["fusion"], config["hidden_size"]
        semantic = {"id_only": 0, "text_only": width}.get(kind, config["semantic_size"])
        self.shape = config["token_count"], config["token_width"]
        self.ids = self.tokens = self.pooling = None
        if semantic < width:
            self.ids = nn.Parameter(torch.randn(n_items, width - semantic) * config["initializer_range"])
            with torch.no_grad():
                self.ids[0] = 0
        present = None
        if semantic:
            self.tokens = nn.Parameter(torch.zeros(n_items, self.shape[0] * self.shape[1]))
            present = torch.ones(n_items, self.shape[0], dtype=torch.bool)
            self.pooling = _pooling(kind, config, semantic)
        self.register_buffer("present", present)

    def start_tokens(self, tokens):
        """Takes over a language model's states.

        Args:
            tokens (np.ndarray): Of items 1 to N - 1, all zero where an item has no further token; shape [N - 1, M, W].
        """
        tokens = torch.from_numpy(tokens)
        with torch.no_grad():
            self.tokens[1:] = tokens.flatten(1)
            self.present[1:] = tokens.ne(0).any(-1)
            self.present[0] = False

    def freeze_tokens(self, frozen=True):
        """Keeps the token vectors as they are, or lets them be trained."""
        if self.tokens is not None:
            self.tokens.requires_grad_(not frozen)

    def forward(self, items):
        """Makes item vectors.

        Args:
            items (torch.LongTensor): Item numbers; shape [K].

        Returns:
            torch.Tensor: Shape [K, D].
        """
        parts = [] if self.ids is None else [lookup(self.ids, items)]
        if self.pooling is not None:
            parts.append(self.pooling(*self._tokens_of(items)))
        return torch.cat(parts, -1)

    def every_item(self):
        """Makes the vector of every item; shape [N, D]."""
        numbers = torch.arange(len(self.ids if self.tokens is None else self.tokens), device=self._device)
        if torch.is_grad_enabled():
            return self(numbers)
        # What lies between tokens and vectors of a large catalogue would fill the memory.
        return torch.cat([self(part) for part in numbers.split(_BLOCK)])

    def balance_loss(self, items):
        """Returns what uneven use of the experts costs, a scalar; 0 where there are none."""
        if not isinstance(self.pooling, ExpertPooling):
            return 0.0
        return self.pooling.balance_loss(*self._tokens_of(items))

    @torch.no_grad()
    def expert_usage(self):
        """Tells by how many of the items that have a text each expert is used.

        Returns:
            torch.Tensor | None: Share of these items that keep the expert; where all are kept, its mean gate; shape
            [E]. None where there are no experts to choose from.
        """
        if not isinstance(self.pooling, ExpertPooling) or len(self.pooling.queries) == 1:
            return None
        chosen, with_text = 0.0, self.present.any(1).nonzero().squeeze(1)
        for items in with_text[with_text > 0].split(_BLOCK):
            gates = self.pooling.gates(self.pooling.gate_logits(*self._tokens_of(items)))
            chosen = chosen + (gates if self.pooling.top_experts is None else (gates > 0).float()).sum(0)
        return chosen / max(1, int((with_text > 0).sum()))

    def _tokens_of(self, items):
        return lookup(self.tokens, items).view(len(items), *self.shape), self.present[items]

    @property
    def _device(self):
        return next(self.parameters()).device


def _pooling(kind, config, width):
    """Makes what turns tokens into a semantic vector."""
    n_tokens, token_width = config["token_count"], config["token_width"]
    scale = config["initializer_range"]
    if kind == "mean":
        return MeanPooling(token_width, width, scale)
    if kind == "concat":
        return TokenConcatenation(n_tokens, token_width, width, scale)
    if kind == "attention":
        return ExpertPooling(token_width, width, 1, None, scale)
    kept = None if kind == "experts_softmax" else config["top_experts"]
    return ExpertPooling(token_width, width, config["n_experts"], kept, scale)
