"""PRECISE's Embedding Fusion: one item vector from an ID and the tokens of the item's text (arXiv 2412.06308)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from recbole_idp.models.precise.fusion_layers import ExpertPooling, MeanPooling, TokenConcatenation
from recbole_idp.nn.lookup import lookup

if TYPE_CHECKING:
    import numpy as np

    from recbole_idp.models.precise.keys import FusionSettings

FUSIONS = ("experts", "experts_softmax", "mean", "concat", "attention", "id_only", "text_only")
"""The paper's fusion, and what it is compared with."""

_BLOCK = 4096


class EmbeddingFusion(nn.Module):
    """ID and semantic vector of an item, concatenated (arXiv 2412.06308, Embedding Fusion).

    item -> ID, and item -> token vectors -> pooling -> semantic vector; e = ID (+) semantic vector

    Token vectors start as a frozen language model's states (:meth:`start_tokens`) and are trained like IDs, one set an
    item; the language model is not needed afterwards. As they are trained in single precision, they are few and narrow
    (``token_count`` and ``token_width``): 81 thousand items of 8 times 32 numbers are 83 MB, and as much again for
    their gradient and each of Adam's two moments.

    Shapes: N items, K asked for, M tokens an item, W their width, D width of the result.

    Args:
        settings: Kind and sizes.
        n_items: Number of items N.
        width: Width D.
        scale: Standard deviation of the initial weights.

    Attributes:
        ids: IDs, zero for padding; shape [N, D - width of the semantic vector].
        tokens: Token vectors; shape [N, M * W].
        present: Which tokens an item has; bool, shape [N, M].
        pooling: Makes the semantic vector.
    """

    ids: nn.Parameter | None
    tokens: nn.Parameter | None
    present: torch.Tensor
    pooling: nn.Module | None

    def __init__(self, settings: FusionSettings, n_items: int, width: int, scale: float) -> None:
        super().__init__()
        semantic = {"id_only": 0, "text_only": width}.get(settings.fusion, settings.semantic_size)
        self.shape = settings.token_count, settings.token_width
        self.ids = self.tokens = self.pooling = None
        if semantic < width:
            self.ids = nn.Parameter(torch.randn(n_items, width - semantic) * scale)
            with torch.no_grad():
                self.ids[0] = 0
        present = None
        if semantic:
            self.tokens = nn.Parameter(torch.zeros(n_items, self.shape[0] * self.shape[1]))
            present = torch.ones(n_items, self.shape[0], dtype=torch.bool)
            self.pooling = _pooling(settings, semantic, scale)
        self.register_buffer("present", present)

    def start_tokens(self, tokens: np.ndarray) -> None:
        """Start the token vectors from a language model's states.

        Args:
            tokens: States of items 1 to N - 1, all zero where an item has no further token; shape [N - 1, M, W].
        """
        states = torch.from_numpy(tokens)
        with torch.no_grad():
            self.tokens[1:] = states.flatten(1)  # type: ignore[index]  # only called where items have tokens
            self.present[1:] = states.ne(0).any(-1)
            self.present[0] = False

    def freeze_tokens(self, frozen: bool = True) -> None:
        """Freeze the token vectors, or let them be trained."""
        if self.tokens is not None:
            self.tokens.requires_grad_(not frozen)

    def forward(self, items: torch.Tensor) -> torch.Tensor:
        """Compute item vectors.

        Args:
            items: Item numbers; int64, shape [K].

        Returns:
            Shape [K, D].
        """
        parts = [] if self.ids is None else [lookup(self.ids, items)]
        if self.pooling is not None:
            parts.append(self.pooling(*self._tokens_of(items)))
        return torch.cat(parts, -1)

    def every_item(self) -> torch.Tensor:
        """Compute the vector of every item; shape [N, D]."""
        table = self.ids if self.tokens is None else self.tokens
        numbers = torch.arange(len(table), device=self._device)  # type: ignore[arg-type]  # one of them is there
        if torch.is_grad_enabled():
            return self(numbers)
        # What lies between tokens and vectors of a large catalogue would fill the memory.
        return torch.cat([self(part) for part in numbers.split(_BLOCK)])

    def balance_loss(self, items: torch.Tensor) -> torch.Tensor | float:
        """Return the load-balancing loss of the experts; scalar, 0 where there are none."""
        if not isinstance(self.pooling, ExpertPooling):
            return 0.0
        return self.pooling.balance_loss(*self._tokens_of(items))

    @torch.no_grad()
    def expert_usage(self) -> torch.Tensor | None:
        """Return the share of the items with text that use each expert.

        Returns:
            Share of these items that keep the expert; where all are kept, its mean gate; shape [E]. None where there
            are no experts to choose from.
        """
        if not isinstance(self.pooling, ExpertPooling) or len(self.pooling.queries) == 1:
            return None
        with_text = self.present.any(1).nonzero().squeeze(1)
        chosen: torch.Tensor = 0.0  # type: ignore[assignment]  # a tensor after the first items
        for items in with_text[with_text > 0].split(_BLOCK):
            gates = self.pooling.gates(self.pooling.gate_logits(*self._tokens_of(items)))
            chosen = chosen + (gates if self.pooling.top_experts is None else (gates > 0).float()).sum(0)
        return chosen / max(1, int((with_text > 0).sum()))

    def _tokens_of(self, items: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        assert self.tokens is not None  # only called where items have tokens
        return lookup(self.tokens, items).view(len(items), *self.shape), self.present[items]

    @property
    def _device(self) -> torch.device:
        return next(self.parameters()).device


def _pooling(settings: FusionSettings, width: int, scale: float) -> nn.Module:
    """Build the layer that turns tokens into a semantic vector."""
    kind, token_width = settings.fusion, settings.token_width
    if kind == "mean":
        return MeanPooling(token_width, width, scale)
    if kind == "concat":
        return TokenConcatenation(settings.token_count, token_width, width, scale)
    if kind == "attention":
        return ExpertPooling(token_width, width, 1, None, scale)
    kept = None if kind == "experts_softmax" else settings.top_experts
    return ExpertPooling(token_width, width, settings.n_experts, kept, scale)
