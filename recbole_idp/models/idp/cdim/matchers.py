"""What makes the vectors by which items are matched, from their texts and the vectors of the frozen text encoder.

The three matchers have one face: ``vectors(texts, frozen_vectors)``, and ``save(folder)`` for the bundle.
"""

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from recbole_idp.content.text.cache import encode_cached
from recbole_idp.content.text.encoder import open_text_encoder
from recbole_idp.errors import UserError
from recbole_idp.models.idp.cdim.head import MatchingHead
from recbole_idp.storage.sealed import write_weights

_HEAD = "head.safetensors"


class FrozenMatcher:
    """Matches by the frozen text encoder."""

    kind = "none"

    def vectors(self, texts, frozen_vectors):
        """Returns the vectors that items are matched by.

        Args:
            texts (list[str]): N texts.
            frozen_vectors (np.ndarray): Their vectors by the frozen encoder, zero for blank texts; shape [N, W].

        Returns:
            np.ndarray: Shape [N, W]; zero for blank texts.
        """
        return frozen_vectors

    def save(self, folder):
        """Writes nothing: there is nothing besides the frozen encoder."""


class HeadMatcher:
    """Matches by a trained projection of the frozen vectors.

    Args:
        head (MatchingHead): The projection.
    """

    kind = "head"

    def __init__(self, head):
        self.head = head

    def vectors(self, texts, frozen_vectors):
        """See :meth:`FrozenMatcher.vectors`."""
        return self.head.apply_to(frozen_vectors)

    def save(self, folder):
        """Writes the weights into a folder, which is made."""
        Path(folder).mkdir(parents=True)
        write_weights(Path(folder) / _HEAD, self.head.state_dict())


class EncoderMatcher:
    """Matches by a sentence encoder of which layers were trained; its vectors are cached like any others.

    Args:
        encoder (TextEncoder): The tuned encoder.
        cache_path (str | Path): Folder of text vectors.
        show_progress (bool): Whether to draw a progress bar.
    """

    kind = "encoder"

    def __init__(self, encoder, cache_path, show_progress=False):
        self.encoder, self._cache_path, self._show_progress = encoder, cache_path, show_progress

    def vectors(self, texts, frozen_vectors):
        """See :meth:`FrozenMatcher.vectors`."""
        return encode_cached(self.encoder, texts, self._cache_path, self._show_progress)[0]

    def save(self, folder):
        """Writes the encoder in the layout of the other text encoders."""
        self.encoder.save(folder)


def open_matcher(kind, folder, cache_path, device="cpu", show_progress=False):
    """Opens what a matcher's ``save`` wrote; nothing in it is executed.

    Args:
        kind (str): The matcher's ``kind``.
        folder (Path): The folder.
        cache_path (str | Path): Folder of text vectors.
        device (str | torch.device): Where it computes.
        show_progress (bool): Whether to draw progress bars.

    Returns:
        FrozenMatcher | HeadMatcher | EncoderMatcher: The matcher.
    """
    if kind == HeadMatcher.kind:
        try:
            state = load_file(folder / _HEAD)
            head = MatchingHead(len(state["change.bias"]))
            head.load_state_dict(state)
        except (SafetensorError, OSError, KeyError, RuntimeError) as error:
            reason = " ".join(str(error).split())[:200]
            raise UserError(f"{folder / _HEAD} is no matcher's head ({reason}): pre-train again") from error
        return HeadMatcher(head.to(torch.device(device)))
    if kind == EncoderMatcher.kind:
        return EncoderMatcher(open_text_encoder(folder, device=device), cache_path, show_progress)
    return FrozenMatcher()
