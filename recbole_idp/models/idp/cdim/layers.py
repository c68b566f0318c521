"""CDIM at the depths ``last_n``, ``full`` and ``lora``: layers of the sentence encoder are trained, or changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from recbole_idp.content.text.interface import distinct_texts
from recbole_idp.content.trainable.text import TrainableText
from recbole_idp.nn.adapters.bert import graft_lora
from recbole_idp.nn.adapters.lora import merge

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from recbole_idp.content.text.sentence import SentenceEncoder

_BATCH = 64


class LayersTrainee:
    """A copy of a sentence encoder of which the last layers, or all, are trained.

    Args:
        encoder: The frozen encoder; it stays as it is.
        texts: Text of each item, blank for none; length S.
        layers: How many of the last layers are trained; None: all parts, embeddings included.
        cache_path: Folder in which the lower layers' outputs are cached.
        show_progress: Whether to draw a progress bar while they are computed.

    Attributes:
        module (nn.Module): What is trained.

    Raises:
        UserError: The encoder has fewer layers, or its layers cannot be run separately.
    """

    module: nn.Module

    def __init__(
        self,
        encoder: SentenceEncoder,
        texts: Sequence[str],
        layers: int | None,
        cache_path: Path,
        show_progress: bool = False,
    ) -> None:
        _, self._place = distinct_texts(texts)
        self._content = TrainableText(encoder, texts, layers, cache_path, show_progress)
        self.module = self._content.trained

    def encode(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the vectors of items, with a new dropout pass; shape [B, W].

        Args:
            rows: Items with text; repeated ones drop different states; int64, shape [B].
        """
        return self._content.train().encode_distinct(self._place[rows.numpy()])

    @torch.no_grad()
    def vectors(self) -> np.ndarray:
        """Return the vectors of all items, without dropout; shape [S, W]."""
        self._content.eval()
        rows = torch.arange(1, len(self._place) + 1)
        return np.concatenate([self._content(part).cpu().numpy() for part in rows.split(_BATCH)])

    def tuned_encoder(self) -> SentenceEncoder:
        """Return the encoder with the layers as trained so far; the trainee cannot be used afterwards."""
        return self._content.tuned_encoder()


class LoRATrainee(LayersTrainee):
    """A copy of a sentence encoder of which changes of low rank to queries and values are trained (arXiv 2106.09685).

    Args:
        encoder: The frozen encoder; it stays as it is.
        texts: Text of each item, blank for none; length S.
        rank: Rank of the changes.
        cache_path: Not written to, as all layers are run in each step.
        show_progress: Not used.

    Raises:
        UserError: The encoder is not of BERT's kind.
    """

    def __init__(
        self,
        encoder: SentenceEncoder,
        texts: Sequence[str],
        rank: int,
        cache_path: Path,
        show_progress: bool = False,
    ) -> None:
        super().__init__(encoder, texts, None, cache_path, show_progress)
        self._content.adapt(lambda trained, _: nn.ModuleList(graft_lora(trained, rank, encoder.name)))
        self.module = self._content.beside

    def tuned_encoder(self) -> SentenceEncoder:
        """Return the encoder with the changes in its weights; the trainee cannot be used afterwards."""
        merge(self._content.trained)
        return super().tuned_encoder()
