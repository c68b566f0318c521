"""Outputs of the lower, frozen layers of a sentence encoder for each text: computed once, kept in half precision."""

from __future__ import annotations

import functools
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from recbole_idp.content.text.interface import encoding_progress
from recbole_idp.content.trainable.entering import states_entering
from recbole_idp.storage.files import fingerprint, replacing
from recbole_idp.storage.signature import is_signed_file, sign_file

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import nn

    from recbole_idp.content.text.sentence import SentenceEncoder
    from recbole_idp.content.text.tokens import TokenTable

_BLOCK_TEXTS = 2048
_BATCH = 64
# No number of layers, as a norm may stand behind the last one.
_ALL = -1


class LowerLayers:
    """The states that enter the first trained layer, for M texts.

    Blocks of texts are files of float16 numbers, mapped into memory: an interrupted computation loses one block.

    Args:
        encoder: The encoder, with all of its layers.
        digits: The fingerprint of an encoder with the same lower layers.
        texts: M distinct texts.
        tokens: Their tokens.
        first_trained: The layer whose input is wanted.
        kept: Number of layers below it.
        cache_path: The folder of the blocks is made in it.
    """

    def __init__(
        self,
        encoder: SentenceEncoder,
        digits: str,
        texts: Sequence[str],
        tokens: TokenTable,
        first_trained: nn.Module,
        kept: int,
        cache_path: str | Path,
    ) -> None:
        self._encoder, self._tokens, self._layer = encoder, tokens, first_trained
        self._folder = Path(cache_path) / f"lower-layers-{fingerprint([digits, kept, texts])}"
        self._starts = np.arange(0, len(texts), _BLOCK_TEXTS)
        # First token of each text within its block.
        offsets = np.concatenate([[0], np.cumsum(tokens.lengths)])
        self._first = offsets[:-1] - np.repeat(offsets[self._starts], np.diff([*self._starts, len(texts)]))
        self._blocks: list[Any] = []

    def compute(self, show_progress: bool = False) -> None:
        """Compute the missing blocks and open all of them.

        Args:
            show_progress: Whether to draw a progress bar.
        """
        found = [self._open(number) for number in range(len(self._starts))]
        missing = [number for number, block in enumerate(found) if block is None]
        total = sum(len(self._texts_of(number)) for number in missing)
        if total:
            logging.getLogger().info(
                f"the lower layers of {self._encoder.name} run once for {total:,} texts, into {self._folder}"
            )
        with encoding_progress(total, show_progress) as advance:
            for number in missing:
                content = self._compute_block(number, advance)
                with replacing(self._path(number)) as temporary:
                    with open(temporary, "wb") as file:
                        np.save(file, content, allow_pickle=False)
                    sign_file(temporary, self._name(number))
                found[number] = self._open(number)
        self._blocks = found

    def states(self, places: np.ndarray, length: int) -> torch.Tensor:
        """Return the states of some texts.

        Args:
            places: Texts; shape [B].
            length: Length L of the rows.

        Returns:
            Zero behind the end of a text; float32, shape [B, L, H].
        """
        states = np.zeros((len(places), length, self._blocks[0].shape[1]), dtype=np.float32)
        for row, place in enumerate(places):
            start, count = self._first[place], self._tokens.lengths[place]
            states[row, :count] = self._blocks[place // _BLOCK_TEXTS][start : start + count]
        return torch.from_numpy(states)

    def flat(self) -> np.ndarray:
        """Return the states of all texts, one text after the other; float16, shape [tokens, H]."""
        none = np.zeros((0, self._encoder.state_width), dtype=np.float16)
        return np.concatenate([none, *(np.asarray(block) for block in self._blocks)])

    def _texts_of(self, number: int) -> np.ndarray:
        return np.arange(self._starts[number], min(self._starts[number] + _BLOCK_TEXTS, len(self._tokens.lengths)))

    def _path(self, number: int) -> Path:
        return self._folder / f"block-{number:05d}.npy"

    def _name(self, number: int) -> str:
        """Return what a block is for; the folder is named after encoder and texts."""
        return f"{self._folder.name} {number}"

    def _open(self, number: int) -> np.ndarray | None:
        """Return a block mapped into memory, or None where this user has written none of the right size."""
        try:
            if not is_signed_file(self._path(number), self._name(number)):
                return None
            block = np.load(self._path(number), mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError):
            return None
        rows = int(self._tokens.lengths[self._texts_of(number)].sum())
        return block if block.ndim == 2 and len(block) == rows and block.dtype == np.float16 else None

    def _run(self, features: dict[str, torch.Tensor]) -> torch.Tensor:
        """Return the states of a batch of tokens; shape [B, L, H]."""
        return states_entering(self._layer, functools.partial(self._encoder.model, features))

    @torch.inference_mode()
    def _compute_block(self, number: int, advance: Callable[[int], object]) -> np.ndarray:
        """Return the states of a block's texts, one text after the other; float16, shape [tokens, H]."""
        places = self._texts_of(number)
        pieces: list[Any] = [None] * len(places)
        order = np.argsort(-self._tokens.lengths[places], kind="stable")
        for start in range(0, len(order), _BATCH):
            rows = order[start : start + _BATCH]
            features = self._tokens.batch(places[rows], self._encoder.device)
            states = self._run(features).half().cpu().numpy()
            for row, state in zip(rows, states, strict=True):
                pieces[row] = state[: self._tokens.lengths[places[row]]]
            advance(len(rows))
        return np.concatenate(pieces)


class AllLayers(LowerLayers):
    """The states that leave the last layer: what the pooling behind it reads.

    Args:
        encoder: The encoder.
        texts: M distinct texts.
        tokens: Their tokens.
        cache_path: The folder of the blocks is made in it.
    """

    def __init__(
        self, encoder: SentenceEncoder, texts: Sequence[str], tokens: TokenTable, cache_path: str | Path
    ) -> None:
        super().__init__(encoder, encoder.cache_key, texts, tokens, encoder.model[1], _ALL, cache_path)

    def _run(self, features: dict[str, torch.Tensor]) -> torch.Tensor:
        return self._encoder.model[0](features)["token_embeddings"]
