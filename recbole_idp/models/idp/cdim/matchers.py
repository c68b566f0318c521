"""Matchers: they make the vectors that items are matched by, from texts and the vectors of the frozen text encoder.

The three matchers have one interface: ``vectors(texts, frozen_vectors)``, and ``save(folder)`` for the bundle.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from recbole_idp.content.text.cache import encode_cached
from recbole_idp.content.text.encoder import open_text_encoder
from recbole_idp.errors import UserError
from recbole_idp.models.idp.cdim.head import MatchingHead
from recbole_idp.storage.sealed import write_weights
from recbole_idp.storage.tensors import read_tensors

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from recbole_idp.content.text.interface import TextEncoder

_HEAD = "head.safetensors"


class FrozenMatcher:
    """Match by the frozen text encoder."""

    kind = "none"

    def vectors(self, texts: Sequence[str], frozen_vectors: np.ndarray) -> np.ndarray:
        """Return the vectors that items are matched by.

        Args:
            texts: N texts.
            frozen_vectors: Their vectors by the frozen encoder, zero for blank texts; shape [N, W].

        Returns:
            Shape [N, W]; zero for blank texts.
        """
        return frozen_vectors

    def save(self, folder: str | Path) -> None:
        """Write nothing: a bundle has the frozen encoder anyway."""


class HeadMatcher:
    """Match by a trained projection of the frozen vectors.

    Args:
        head: The projection.
    """

    kind = "head"

    def __init__(self, head: MatchingHead) -> None:
        self.head = head

    def vectors(self, texts: Sequence[str], frozen_vectors: np.ndarray) -> np.ndarray:
        """See :meth:`FrozenMatcher.vectors`."""
        return self.head.apply_to(frozen_vectors)

    def save(self, folder: str | Path) -> None:
        """Write the weights into a new folder."""
        Path(folder).mkdir(parents=True)
        write_weights(Path(folder) / _HEAD, self.head.state_dict())


class EncoderMatcher:
    """Match by a sentence encoder of which layers were trained; its vectors are cached like any others.

    Args:
        encoder: The tuned encoder.
        cache_path: Folder of text vectors.
        show_progress: Whether to draw a progress bar.
    """

    kind = "encoder"

    def __init__(self, encoder: TextEncoder, cache_path: str | Path, show_progress: bool = False) -> None:
        self.encoder, self._cache_path, self._show_progress = encoder, cache_path, show_progress

    def vectors(self, texts: Sequence[str], frozen_vectors: np.ndarray) -> np.ndarray:
        """See :meth:`FrozenMatcher.vectors`."""
        return encode_cached(self.encoder, texts, self._cache_path, self._show_progress)[0]

    def save(self, folder: str | Path) -> None:
        """Write the encoder in the layout of the other text encoders."""
        self.encoder.save(folder)


def open_matcher(
    kind: str, folder: Path, cache_path: str | Path, device: str | torch.device = "cpu", show_progress: bool = False
) -> FrozenMatcher | HeadMatcher | EncoderMatcher:
    """Open what a matcher's ``save`` wrote; no code in it is executed.

    Args:
        kind: The matcher's ``kind``.
        folder: The folder.
        cache_path: Folder of text vectors.
        device: Device of the computation.
        show_progress: Whether to draw progress bars.

    Returns:
        The matcher.
    """
    if kind == HeadMatcher.kind:
        try:
            state = read_tensors(folder / _HEAD)
            head = MatchingHead(len(state["change.bias"]))
            head.load_state_dict(state)
        except (ValueError, KeyError, RuntimeError, TypeError) as error:
            reason = " ".join(str(error).split())[:200]
            raise UserError(f"{folder / _HEAD} is no matcher's head ({reason}): pre-train again") from error
        return HeadMatcher(head.to(torch.device(device)))
    if kind == EncoderMatcher.kind:
        return EncoderMatcher(open_text_encoder(folder, device=device), cache_path, show_progress)
    return FrozenMatcher()
