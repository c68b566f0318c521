"""The views of a sequence that CLUE compares (ICDM 2021, section III).

Each function takes a batch of sequences and returns one random view of each. A view changes a share of the events:
the share of a sequence's length, rounded, and one event at least.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from recbole_idp.data.views import without

MASK = -1
"""The item number of a masked event."""

View = Callable[[torch.Tensor, float, torch.Generator], torch.Tensor]
"""A function of items, padded with 0 on the right, int64, shape [B, L]; the share of changed events; a generator."""


def unchanged(items: torch.Tensor, share: float, generator: torch.Generator) -> torch.Tensor:
    """Return the sequences as they are: the encoder's dropout alone makes views differ."""
    return items


def masked(items: torch.Tensor, share: float, generator: torch.Generator) -> torch.Tensor:
    """Replace events at random places by :data:`MASK`; shape [B, L]."""
    sizes = _sizes(items, share, least=1)
    draws = torch.rand(items.shape, generator=generator).masked_fill_(items == 0, 2)
    ranks = draws.argsort(1).argsort(1)
    return items.masked_fill(ranks < sizes.unsqueeze(1), MASK)


def cropped(items: torch.Tensor, share: float, generator: torch.Generator) -> torch.Tensor:
    """Remove a contiguous sub-sequence, never the whole sequence; shape [B, L'].

    In other papers to crop means to keep a sub-sequence. CLUE drops it.
    """
    sizes = torch.minimum(_sizes(items, share, least=1), _lengths(items) - 1)
    (views,) = without(items, _stretches(items, sizes, generator)[0])
    return views


def permuted(items: torch.Tensor, share: float, generator: torch.Generator) -> torch.Tensor:
    """Shuffle the events of a contiguous sub-sequence, of two events at least where there are two; shape [B, L]."""
    sizes = _sizes(items, share, least=2)
    inside, starts = _stretches(items, sizes, generator)
    places = torch.arange(items.shape[1]).expand_as(items)
    draws = starts.unsqueeze(1) + torch.rand(items.shape, generator=generator) * sizes.unsqueeze(1)
    return items.gather(1, torch.where(inside, draws, places.float()).argsort(stable=True, dim=1))


VIEWS: dict[str, View] = {"dropout": unchanged, "mask": masked, "crop": cropped, "permute": permuted}
"""The views by the values of the key ``view``."""


def _lengths(items: torch.Tensor) -> torch.Tensor:
    """Return the number of events of each row; int64, shape [B]."""
    return (items != 0).sum(1)


def _sizes(items: torch.Tensor, share: float, least: int) -> torch.Tensor:
    """Return how many events of each row change; int64, shape [B]."""
    lengths = _lengths(items)
    return torch.minimum((lengths * share).round().long().clamp(min=least), lengths)


def _stretches(
    items: torch.Tensor, sizes: torch.Tensor, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw a contiguous stretch of each row.

    Args:
        items: Shape [B, L].
        sizes: Events of each stretch; int64, shape [B].
        generator: Source of the draws.

    Returns:
        Which events lie in the stretch, bool, shape [B, L], and the place of its first one, int64, shape [B].
    """
    room = _lengths(items) - sizes + 1
    starts = (torch.rand(len(items), generator=generator) * room).long().minimum(room - 1)
    places = torch.arange(items.shape[1])
    return (places >= starts.unsqueeze(1)) & (places < (starts + sizes).unsqueeze(1)), starts
