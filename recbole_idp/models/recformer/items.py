"""Items as flattened attributes, and sequences of them as tokens (arXiv 2305.13731, section 2.1)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from recbole_idp.models.recformer.longformer import FIRST, NAME, PADDING, VALUE, Tokens
from recbole_idp.models.recformer.tokenizer import Tokenizer

Attributes = Sequence[tuple[str, str]]
"""Names and values of an item's attributes."""

_TOGETHER = 4096


class ItemTokens(nn.Module):
    """The tokens of a catalogue's items, and the flattening of histories to sequences of tokens.

    item = name, value, name, value, ...; history = start token, newest item, the one before, ...

    I inputs, E tokens of all of them. The buffers take the size of a state that is loaded.

    Args:
        max_tokens: Tokens of a sequence at most, with the start token.
        max_items: Items of a sequence at most.

    Attributes:
        special: The token that a sequence begins with, and that of padding; int64, shape [2].
        ids: Token ids of all items, one item after the other; int32, shape [E].
        kinds: ``NAME`` or ``VALUE`` for each; uint8, shape [E].
        offsets: The tokens of input ``i`` are ``ids[offsets[i]:offsets[i + 1]]``; int64, shape [I + 1].
    """

    ids: torch.Tensor
    kinds: torch.Tensor
    offsets: torch.Tensor
    special: torch.Tensor

    def __init__(self, max_tokens: int, max_items: int) -> None:
        super().__init__()
        self.max_tokens, self.max_items = max_tokens, max_items
        self.register_buffer("special", torch.zeros(2, dtype=torch.long))
        self.register_buffer("ids", torch.zeros(0, dtype=torch.int32))
        self.register_buffer("kinds", torch.zeros(0, dtype=torch.uint8))
        self.register_buffer("offsets", torch.zeros(2, dtype=torch.long))

    def fill(self, found: Mapping[str, torch.Tensor]) -> None:
        """Take the tokens of a catalogue.

        Args:
            found: ``special``, ``ids``, ``kinds`` and ``offsets``; see :func:`tokens_of_items`.
        """
        for name in ("special", "ids", "kinds", "offsets"):
            setattr(self, name, found[name].to(self.offsets.device))

    def check(self, vocabulary: int, n_inputs: int) -> None:
        """Check that each input has tokens that an encoder knows.

        Args:
            vocabulary: Number of tokens of the encoder.
            n_inputs: Number of inputs; there may be more.

        Raises:
            ValueError: They have not.
        """
        ids = torch.cat([self.ids.long(), self.special])
        if int(ids.min()) < 0 or int(ids.max()) >= vocabulary or len(self.counts()) < n_inputs:
            raise ValueError("the tokens of its items are not those of its encoder, or there are fewer items")

    def counts(self) -> torch.Tensor:
        """Return the number of tokens of each input; int64, shape [I]."""
        return self.offsets.diff()

    def lengths(self, items: torch.Tensor) -> torch.Tensor:
        """Return the number of tokens of histories; arguments as in :meth:`forward`; int64, shape [B]."""
        return (1 + self.counts()[items].sum(1)).clamp(max=self.max_tokens)

    def forward(self, items: torch.Tensor, width: int) -> Tokens:
        """Flatten histories.

        Args:
            items: Inputs by time, padded with 0 on the right, at most ``max_items`` a row; int64, shape [B, L].
            width: Tokens of a row.

        Returns:
            Rows that are cut, or padded, at the width.
        """
        index, item, inside = self.places(items, width)
        first = torch.arange(width, device=items.device) == 0
        kinds = torch.where(inside, self.kinds[index].long(), torch.where(first, FIRST, PADDING))
        ids = torch.where(inside, self.ids[index].long(), torch.where(first, self.special[0], self.special[1]))
        numbers = torch.where(inside, item, torch.where(first, 0, self.max_items))
        return Tokens(ids, kinds, numbers, inside | first)

    def places(self, items: torch.Tensor, width: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Find the token of each slot; arguments as in :meth:`forward`.

        Returns:
            Its place among the tokens of all items, 0 where there is none, and the position of its item, from 1 for the
            newest one; both int64, shape [B, n]; and whether it is the token of an item, bool, shape [B, n].
        """
        latest = (items > 0).sum(1, keepdim=True) - 1
        places = latest - torch.arange(items.shape[1], device=items.device)
        newest_first = items.gather(1, places.clamp(min=0)).masked_fill(places < 0, 0)
        ends = self.counts()[newest_first].cumsum(1)
        slots = torch.arange(width, device=items.device)
        # The item of a slot is the first one that ends behind it; the start token stands before all.
        item = (ends.unsqueeze(1) < slots.view(1, -1, 1)).sum(2)
        within = item.clamp(max=items.shape[1] - 1)
        begins = self.offsets[newest_first + 1] - ends
        inside = (item < items.shape[1]) & (slots > 0)
        index = (begins.gather(1, within) + slots - 1).masked_fill(~inside, 0)
        return index, item + 1, inside

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *arguments: Any) -> None:
        """Take the size of a state before it is loaded, and check it: it may be a stranger's."""
        found: dict[str, Any] = {name: state_dict.get(prefix + name) for name in ("ids", "kinds", "offsets")}
        if all(torch.is_tensor(value) for value in found.values()):
            check_item_tokens(found)
            for name, value in found.items():
                setattr(self, name, torch.empty_like(value, device=self.offsets.device))
        super()._load_from_state_dict(state_dict, prefix, *arguments)  # type: ignore[arg-type]  # as PyTorch calls it


def check_item_tokens(found: Mapping[str, Any]) -> None:
    """Raise ValueError where tokens, kinds and offsets do not fit each other."""
    ids, kinds, offsets = found["ids"], found["kinds"], found["offsets"]
    typed = (ids.dtype, kinds.dtype, offsets.dtype) == (torch.int32, torch.uint8, torch.int64)
    if not typed or ids.dim() != 1 or kinds.shape != ids.shape or offsets.dim() != 1 or len(offsets) < 2:
        raise ValueError("the tokens of its items are of other types or shapes")
    ordered = bool((offsets.diff() >= 0).all()) and int(offsets[0]) == 0 and int(offsets[-1]) == len(ids)
    known = len(ids) == 0 or (int(ids.min()) >= 0 and int(kinds.min()) >= NAME and int(kinds.max()) <= VALUE)
    if not ordered or not known:
        raise ValueError("the tokens of its items do not fit each other")


def tokens_of_items(
    tokenizer: Tokenizer, items: Sequence[Attributes], max_attributes: int, attribute_tokens: int
) -> dict[str, torch.Tensor]:
    """Tokenise a catalogue: names and values apart, each attribute cut.

    Args:
        tokenizer: The tokenizer.
        items: Attributes of inputs 1 to I - 1; those with an empty value are left out.
        max_attributes: Attributes of an item that are read, the first ones that it has.
        attribute_tokens: Tokens of an attribute at most, its name's among them.

    Returns:
        ``special``, ``ids``, ``kinds`` and ``offsets`` as in :class:`ItemTokens`; and ``words``, whether a token begins
        a word, bool, shape [E].
    """
    names = sorted({name for item in items for name, _ in item})
    of_name = dict(zip(names, tokenizer.encode(names), strict=True))
    ids: list[np.ndarray] = []
    kinds: list[np.ndarray] = []
    words: list[np.ndarray] = []
    counts = [0]
    for start in range(0, len(items), _TOGETHER):
        part = [
            [pair for pair in item if pair[1].strip()][:max_attributes] for item in items[start : start + _TOGETHER]
        ]
        values = iter(tokenizer.encode([value for item in part for _, value in item]))
        for item in part:
            count = 0
            for name, _ in item:
                head, tail = of_name[name], next(values)
                row = np.array([*head.ids, *tail.ids][:attribute_tokens], dtype=np.int32)
                begins = np.concatenate([_begins(head.words), _begins(tail.words)])[:attribute_tokens]
                kind = np.full(len(row), VALUE, dtype=np.uint8)
                kind[: len(head.ids)] = NAME
                ids.append(row)
                kinds.append(kind)
                words.append(begins)
                count += len(row)
            counts.append(count)
    return {
        "special": torch.tensor([tokenizer.start, tokenizer.padding]),
        "ids": _joined(ids, np.int32),
        "kinds": _joined(kinds, np.uint8),
        "words": _joined(words, bool),
        "offsets": torch.from_numpy(np.cumsum([0, *counts])),
    }


def _begins(words: Sequence[int]) -> np.ndarray:
    """Return which tokens begin a word; tokens of no word stand alone; bool."""
    found = np.asarray(words, dtype=np.int64)
    return (found < 0) | np.diff(found, prepend=-2).astype(bool)


def _joined(parts: Iterable[np.ndarray], kind: Any) -> torch.Tensor:
    return torch.from_numpy(np.concatenate([np.zeros(0, dtype=kind), *parts]))
