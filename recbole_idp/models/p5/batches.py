"""Batches of drawn prompts: prompts of like length together."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from recbole_idp.models.p5.tokenizer import padded

if TYPE_CHECKING:
    from recbole_idp.models.p5.sampling import Drawn, PromptSampler

# Batches that are sorted by length together.
_POOL = 32


@dataclass(frozen=True)
class PromptBatch:
    """Prompts with their answers.

    Attributes:
        pieces: The prompts; int64, shape [B, L].
        answers: Their answers; int64, shape [B, T].
    """

    pieces: torch.Tensor
    answers: torch.Tensor

    @property
    def n_targets(self) -> int:
        """The number of prompts, which the mean loss of an epoch weighs alike."""
        return len(self.pieces)

    def to(self, device: str | torch.device) -> PromptBatch:
        """Return the batch on another device."""
        return PromptBatch(self.pieces.to(device), self.answers.to(device))


class PromptBatches:
    """The batches of an epoch, drawn again on each iteration.

    Args:
        sampler: Draws the prompts.
        batch_size: Prompts of a batch.
        generator: Source of all draws.
    """

    def __init__(self, sampler: PromptSampler, batch_size: int, generator: torch.Generator) -> None:
        self.sampler, self.batch_size, self.generator = sampler, batch_size, generator

    def __len__(self) -> int:
        return -(-len(self.sampler) // self.batch_size)

    def __iter__(self) -> Iterator[PromptBatch]:
        seed = int(torch.randint(2**62, (), generator=self.generator))
        draw = np.random.default_rng(seed)
        prompts = self.sampler.epoch(draw)
        while pool := list(itertools.islice(prompts, _POOL * self.batch_size)):
            pool.sort(key=lambda drawn: len(drawn.prompt))
            parts = [pool[start : start + self.batch_size] for start in range(0, len(pool), self.batch_size)]
            for number in draw.permutation(len(parts)).tolist():
                yield as_batch(parts[number])


def as_batch(drawn: Sequence[Drawn]) -> PromptBatch:
    """Return prompts with their answers as a batch."""
    return PromptBatch(padded([one.prompt for one in drawn]), padded([one.answer for one in drawn]))
